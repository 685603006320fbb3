"""Bundles that are not whole, not ours, or not what they say."""

import zipfile
from pathlib import Path

import networks
import numpy as np
import onnx
import tiny_bundle
from bad_input.table import Argv, good_bundle, poses, relist, rewrite, row, run

from edge.contract.bundle import read_bundle


@row()
def a_bundle_that_is_not_there(folder: Path) -> Argv:
    """nowhere: no bundle here: bundle.yaml is missing"""
    return run(folder, bundle=folder / "nowhere")


@row()
def a_bundle_with_one_byte_changed(folder: Path) -> Argv:
    """student.int8.onnx: the file is not the one bundle.yaml lists (size or sha256 differs)"""
    bundle = good_bundle(folder)
    data = bytearray((bundle / "student.int8.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "student.int8.onnx").write_bytes(data)
    return run(folder, bundle=bundle)


@row()
def a_bundle_checked_with_one_byte_changed(folder: Path) -> Argv:
    """student.onnx: the file is not the one"""
    bundle = good_bundle(folder)
    with (bundle / "student.onnx").open("ab") as stream:
        stream.write(b"\0")
    return ["edge", "check", "--bundle", bundle]


@row()
def a_manifest_with_a_misspelt_key(folder: Path) -> Argv:
    """bundle.yaml: unknown key 'clases'"""
    return run(folder, bundle=rewrite(good_bundle(folder), clases=["a"]))


@row()
def a_manifest_without_a_key(folder: Path) -> Argv:
    """bundle.yaml: key 'layout' is missing"""
    return run(folder, bundle=rewrite(good_bundle(folder), layout=None))


@row()
def a_manifest_of_a_later_release(folder: Path) -> Argv:
    """format version 2 is not 1"""
    return run(folder, bundle=rewrite(good_bundle(folder), format_version=2))


@row()
def a_manifest_that_is_not_yaml(folder: Path) -> Argv:
    """not readable as YAML"""
    bundle = good_bundle(folder)
    (bundle / "bundle.yaml").write_text("classes: [a, b")
    return run(folder, bundle=bundle)


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
def a_manifest_that_is_a_list(folder: Path) -> Argv:
    """bundle.yaml: the file must be a YAML mapping; copy the bundle again"""
    bundle = good_bundle(folder)
    (bundle / "bundle.yaml").write_text("- a\n- b\n")
    return run(folder, bundle=bundle)


@row()
def a_manifest_with_a_class_twice(folder: Path) -> Argv:
    """class names are missing or repeated"""
    return run(folder, bundle=rewrite(good_bundle(folder), classes=["wave", "wave"]))


@row()
def a_manifest_with_a_class_that_moves_the_cursor(folder: Path) -> Argv:
    """'\\x1b[2Jwave' cannot be shown as a class; rename it"""
    return run(folder, bundle=rewrite(good_bundle(folder), classes=["squat", "\x1b[2Jwave"]))


@row()
def a_manifest_with_a_class_of_blanks(folder: Path) -> Argv:
    """' ' cannot be shown as a class; rename it"""
    return run(folder, bundle=rewrite(good_bundle(folder), classes=["squat", " "]))


@row()
def a_manifest_with_joints_that_are_not_known(folder: Path) -> Argv:
    """unknown joint layout 'kinect-99'; known layouts:"""
    return run(folder, bundle=rewrite(good_bundle(folder), layout="kinect-99"))


@row()
def a_budget_below_nothing(folder: Path) -> Argv:
    """budget: max_top1_drop is -3; give a number in [0, 100]"""
    return run(folder, bundle=rewrite(good_bundle(folder), budget={"max_top1_drop": -3, "min_agreement": 99.0}))


@row()
def a_manifest_made_with_other_preprocessing(folder: Path) -> Argv:
    """made with preprocessing version 99, this release has"""
    return run(folder, bundle=rewrite(good_bundle(folder), preprocessing_version=99))


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
def a_threshold_that_is_none(folder: Path) -> Argv:
    """decisions.json: it contains no threshold"""
    bundle = good_bundle(folder)
    (bundle / "decisions.json").write_text("{}")
    return run(folder, source=f"replay://{poses(folder, 9)}", bundle=relist(bundle))


@row()
def a_bundle_whose_self_test_is_a_web_page(folder: Path) -> Argv:
    """reference.npz: not a readable .npz file: it is another format, or truncated; export the bundle again"""
    bundle = good_bundle(folder)
    (bundle / "reference.npz").write_text("<!DOCTYPE html>")
    return run(folder, source=f"replay://{poses(folder, 9)}", bundle=relist(bundle))


@row()
def a_bundle_whose_self_test_has_a_byte_changed(folder: Path) -> Argv:
    """reference.npz: not a readable .npz file: Bad CRC-32"""
    bundle = good_bundle(folder)
    data = bytearray((bundle / "reference.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "reference.npz").write_bytes(data)
    return run(folder, source=f"replay://{poses(folder, 9)}", bundle=relist(bundle))


@row()
def a_bundle_whose_self_test_is_not_finite(folder: Path) -> Argv:
    """reference.npz: clips or logits are not finite numbers"""
    bundle = good_bundle(folder)
    clips = np.zeros((4, 3, 32, 13, 1), np.float32)
    np.savez(bundle / "reference.npz", clips=clips, logits=np.full((4, 4), np.nan))
    return ["edge", "check", "--bundle", relist(bundle)]


@row()
def a_class_that_yaml_takes_for_a_truth_value(folder: Path) -> Argv:
    """of classes must be text, not false; write it in quotes"""
    bundle = good_bundle(folder)
    path = bundle / "bundle.yaml"
    path.write_text(path.read_text().replace("- wave", "- no"))
    return run(folder, bundle=bundle)


@row()
def a_manifest_of_brackets(folder: Path) -> Argv:
    """bundle.yaml: not readable as YAML"""
    bundle = good_bundle(folder)
    (bundle / "bundle.yaml").write_text("[" * 5000)
    return run(folder, bundle=bundle)


@row()
def clips_of_no_rate(folder: Path) -> Argv:
    """preprocessing: fps is nan; give a number in (0, inf)"""
    bundle = good_bundle(folder)
    how = {**read_bundle(bundle).manifest.preprocessing.__dict__, "fps": float("nan")}
    return run(folder, bundle=rewrite(bundle, preprocessing=how))


@row()
def a_threshold_that_is_a_truth_value(folder: Path) -> Argv:
    """decisions.json: it contains no threshold"""
    bundle = good_bundle(folder)
    (bundle / "decisions.json").write_text('{"min_score": true}')
    return run(folder, source=f"replay://{poses(folder, 9)}", bundle=relist(bundle))


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


@row()
def a_threshold_file_of_brackets(folder: Path) -> Argv:
    """decisions.json: not readable as JSON"""
    bundle = good_bundle(folder)
    (bundle / "decisions.json").write_text("[" * 100_000)
    return run(folder, source=f"replay://{poses(folder, 9)}", bundle=relist(bundle))
