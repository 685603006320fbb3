"""Bundles that are not whole, not ours, or not what they say."""

import zipfile
from pathlib import Path

import networks
import numpy as np
import onnx
import tiny_bundle
import yaml
from bad_input.table import Argv, good_bundle, relist, replayed, rewrite, row, rows, run

from edge.contract.bundle import read_bundle


def with_keys(folder: Path, text: str) -> Argv:
    return run(folder, bundle=rewrite(good_bundle(folder), **yaml.safe_load(text)))


rows(
    with_keys,
    {
        "clases: [a]": "bundle.yaml: unknown key 'clases'",
        "layout: null": "bundle.yaml: key 'layout' is missing",
        "layout: kinect-99": "unknown joint layout 'kinect-99'; known layouts:",
        "format_version: 2": "format version 2 is not 1",
        "preprocessing_version: 99": "made with preprocessing version 99, this release has",
        "classes: [wave, wave]": "class names are missing or repeated",
        'classes: [squat, "\\e[2Jwave"]': "'\\x1b[2Jwave' cannot be shown as a class; rename it",
        'classes: [squat, " "]': "' ' cannot be shown as a class; rename it",
        "classes: [squat, false]": "of classes must be text, not false; write it in quotes",
        "budget: {max_top1_drop: -3, min_agreement: 99.0}": "budget: max_top1_drop is -3; give a number in [0, 100]",
    },
)


def with_manifest(folder: Path, text: str) -> Argv:
    (good_bundle(folder) / "bundle.yaml").write_text(text)
    return run(folder, bundle=folder / "bundle")


rows(
    with_manifest,
    {
        "classes: [a, b": "not readable as YAML",
        "- a\n- b\n": "bundle.yaml: the file must be a YAML mapping; copy the bundle again",
    },
)


def with_threshold(folder: Path, text: str) -> Argv:
    (good_bundle(folder) / "decisions.json").write_text(text)
    return replayed(folder, bundle=relist(folder / "bundle"))


rows(
    with_threshold,
    {
        "{}": "decisions.json: it contains no threshold",
        '{"min_score": true}': "decisions.json: it contains no threshold",
    },
)


@row()
def a_manifest_of_brackets(folder: Path) -> Argv:
    """bundle.yaml: not readable as YAML"""
    return with_manifest(folder, "[" * 5000)


@row()
def a_threshold_file_of_brackets(folder: Path) -> Argv:
    """decisions.json: not readable as JSON"""
    return with_threshold(folder, "[" * 100_000)


@row()
def a_bundle_whose_self_test_is_a_web_page(folder: Path) -> Argv:
    """reference.npz: not a readable .npz file: it is another format, or truncated; export the bundle again"""
    bundle = good_bundle(folder)
    (bundle / "reference.npz").write_text("<!DOCTYPE html>")
    return replayed(folder, bundle=relist(bundle))


@row()
def a_bundle_that_is_not_there(folder: Path) -> Argv:
    """nowhere: no bundle here: bundle.yaml is missing"""
    return run(folder, bundle=folder / "nowhere")


def changed_in_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@row()
def a_bundle_with_one_byte_changed(folder: Path) -> Argv:
    """student.int8.onnx: the file is not the one bundle.yaml lists (size or sha256 differs)"""
    bundle = good_bundle(folder)
    changed_in_the_middle(bundle / "student.int8.onnx")
    return run(folder, bundle=bundle)


@row()
def a_bundle_checked_with_one_byte_changed(folder: Path) -> Argv:
    """student.onnx: the file is not the one"""
    bundle = good_bundle(folder)
    with (bundle / "student.onnx").open("ab") as stream:
        stream.write(b"\0")
    return ["edge", "check", "--bundle", bundle]


@row()
def a_bundle_whose_self_test_has_a_byte_changed(folder: Path) -> Argv:
    """reference.npz: not a readable .npz file: Bad CRC-32"""
    bundle = good_bundle(folder)
    changed_in_the_middle(bundle / "reference.npz")
    return replayed(folder, bundle=relist(bundle))


@row()
def clips_of_no_rate(folder: Path) -> Argv:
    """preprocessing: fps is nan; give a number in (0, inf)"""
    bundle = good_bundle(folder)
    how = {**read_bundle(bundle).manifest.preprocessing.__dict__, "fps": float("nan")}
    return run(folder, bundle=rewrite(bundle, preprocessing=how))


@row()
def a_truncated_network(folder: Path) -> Argv:
    """student.int8.onnx: ONNX Runtime cannot load it"""
    bundle = good_bundle(folder)
    path = bundle / "student.int8.onnx"
    path.write_bytes(path.read_bytes()[:3000])
    return run(folder, bundle=relist(bundle))


@row()
def a_network_for_other_joints_than_the_manifests(folder: Path) -> Argv:
    """the network's input is float32 (None, 3, 32, 17, 1), the manifest says (1, 3, 32, 13, 1)"""
    bundle = good_bundle(folder)
    networks.student(bundle / "student.int8.onnx", frames=32, joints=17)
    return run(folder, bundle=relist(bundle))


@row()
def a_network_that_answers_nan(folder: Path) -> Argv:
    """the network returned NaN or infinite values"""
    bundle = good_bundle(folder)
    model = onnx.load(bundle / "student.int8.onnx")
    (bias,) = [tensor for tensor in model.graph.initializer if tensor.name == "b4"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(4, np.nan, np.float32), "b4"))
    onnx.save(model, bundle / "student.int8.onnx")
    return run(folder, bundle=relist(bundle))


@row()
def a_network_that_is_another_students(folder: Path) -> Argv:
    """the network agrees with the bundle's reference on only"""
    bundle = good_bundle(folder)
    networks.student(bundle / "student.int8.onnx", seed=4, frames=32, joints=13)
    return run(folder, bundle=relist(bundle))


@row(needs="blazepose_files")
def an_estimator_that_lacks_the_bundles_joints(folder: Path) -> Argv:
    """the bundle needs kinect-22, but the estimator's blazepose-33 has no head_top, left_collar, right_collar"""
    return run(folder, bundle=tiny_bundle.make(folder / "bundle", joints="kinect-22"))


@row()
def a_bundle_without_the_precision_that_is_asked_for(folder: Path) -> Argv:
    """the bundle has no int8 student (student.int8.onnx); make it with `python -m calibrate student`"""
    bundle = good_bundle(folder)
    (bundle / "student.int8.onnx").unlink()
    return ["edge", "check", "--bundle", relist(bundle), "--precision", "int8"]


@row()
def a_bundle_whose_self_test_is_another_students(folder: Path) -> Argv:
    """reference.npz holds clips (4, 3, 32, 17, 1)"""
    bundle = good_bundle(folder)
    np.savez(bundle / "reference.npz", clips=np.zeros((4, 3, 32, 17, 1), np.float32), logits=np.zeros((4, 4)))
    return run(folder, bundle=relist(bundle))


@row()
def a_bundle_whose_self_test_is_not_finite(folder: Path) -> Argv:
    """reference.npz: clips or logits are not finite numbers"""
    bundle = good_bundle(folder)
    clips = np.zeros((4, 3, 32, 13, 1), np.float32)
    np.savez(bundle / "reference.npz", clips=clips, logits=np.full((4, 4), np.nan))
    return ["edge", "check", "--bundle", relist(bundle)]


@row()
def a_network_that_returns_one_row_for_all_clips(folder: Path) -> Argv:
    """bundle: the student returns logits (4, 4) for 16 clips; export the bundle again"""
    bundle = good_bundle(folder)
    model = onnx.load(bundle / "student.int8.onnx")
    model.graph.node[-1].output[0] = "rows"
    model.graph.node.append(onnx.helper.make_node("ReduceMean", ["rows"], ["logits"], axes=[0]))
    onnx.save(model, bundle / "student.int8.onnx")
    return ["edge", "check", "--bundle", relist(bundle)]


@row()
def a_bundle_whose_self_test_has_a_header_of_brackets(folder: Path) -> Argv:
    """reference.npz: not a readable .npz file"""
    bundle = good_bundle(folder)
    header = b"{'descr': " + b"[" * 100 + b"\n"
    with zipfile.ZipFile(bundle / "reference.npz", "w") as archive:
        for name in ("clips.npy", "logits.npy"):
            archive.writestr(name, b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    return ["edge", "check", "--bundle", relist(bundle)]
