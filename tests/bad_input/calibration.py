"""Clips, networks and engines given to ``calibrate``."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from bad_input.table import Argv, good_bundle, on_workstation, relist


def quantised(folder: Path, clips: np.ndarray, *more: str) -> Argv:
    np.savez(folder / "clips.npz", clips=clips.astype(np.float32), labels=np.arange(len(clips)) % 4)
    return [
        "calibrate",
        "student",
        "--bundle",
        good_bundle(folder),
        "--clips",
        folder / "clips.npz",
        *more,
    ]


@on_workstation
def calibration_clips_that_are_not_numbers(folder: Path) -> Argv:
    """contains NaN or infinite values"""
    clips = np.random.default_rng(0).standard_normal((8, 3, 32, 13, 1))
    clips[5, 0, 3] = np.nan
    return quantised(folder, clips)


@on_workstation
def calibration_clips_of_other_joints(folder: Path) -> Argv:
    """do not fit the student's input (N, 3, 32, 13, 1)"""
    return quantised(folder, np.zeros((8, 3, 32, 17, 1)))


@on_workstation
def calibration_clips_that_are_not_there(folder: Path) -> Argv:
    """nowhere.npz"""
    return ["calibrate", "student", "--bundle", good_bundle(folder), "--clips", folder / "nowhere.npz"]


@on_workstation
def a_truncated_network_to_quantise(folder: Path) -> Argv:
    """student.onnx: ONNX Runtime cannot load it"""
    argv = quantised(folder, np.random.default_rng(0).standard_normal((8, 3, 32, 13, 1)))
    path = folder / "bundle" / "student.onnx"
    path.write_bytes(path.read_bytes()[:3000])
    relist(folder / "bundle")
    return argv


def altered(folder: Path, change: Callable[[onnx.ModelProto], object]) -> Argv:
    """Quantise a student whose network was altered."""
    argv = quantised(folder, np.random.default_rng(0).standard_normal((8, 3, 32, 13, 1)))
    path = folder / "bundle" / "student.onnx"
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    relist(folder / "bundle")
    return argv


@on_workstation
def a_network_of_another_operator_set(folder: Path) -> Argv:
    """student.onnx: is not valid ONNX"""
    return altered(folder, lambda model: setattr(model.opset_import[0], "domain", "another"))


@on_workstation
def a_network_without_outputs(folder: Path) -> Argv:
    """student.onnx: ONNX Runtime cannot run it"""
    return altered(folder, lambda model: model.graph.output.pop())


@on_workstation
def a_network_to_quantise_that_answers_nan(folder: Path) -> Argv:
    """returns NaN or infinite values; export it again"""
    nan = onnx.numpy_helper.from_array(np.full(4, np.nan, np.float32), "b4")
    return altered(folder, lambda model: next(t for t in model.graph.initializer if t.name == "b4").CopyFrom(nan))


@on_workstation
def an_engine_to_build_without_tensorrt(folder: Path) -> Argv:
    """needs the package tensorrt"""
    return ["calibrate", "engine", "--onnx", good_bundle(folder) / "student.onnx"]


@on_workstation
def calibration_clips_of_classes_that_the_bundle_lacks(folder: Path) -> Argv:
    """labels range from 0 to 4, the bundle has 4 classes"""
    clips = np.random.default_rng(0).standard_normal((5, 3, 32, 13, 1)).astype(np.float32)
    np.savez(folder / "clips.npz", clips=clips, labels=np.arange(5))
    return ["calibrate", "student", "--bundle", good_bundle(folder), "--clips", folder / "clips.npz"]


@on_workstation
def calibration_labels_that_are_texts(folder: Path) -> Argv:
    """clips are float32, labels <U5, ids int64; clips must be numbers"""
    np.savez(folder / "clips.npz", clips=np.zeros((1, 3, 32, 13, 1), np.float32), labels=["squat"])
    return ["calibrate", "student", "--bundle", good_bundle(folder), "--clips", folder / "clips.npz"]


@on_workstation
def a_limit_for_top1_without_labelled_clips(folder: Path) -> Argv:
    """max_top1_drop is given, but top-1 is judged on test clips only; give --clips test.npz without --held_out"""
    return ["calibrate", "verify", "--bundle", good_bundle(folder), "--max_top1_drop", "2"]


@on_workstation
def a_limit_for_top1_on_clips_of_the_training(folder: Path) -> Argv:
    """max_top1_drop is given, but top-1 is judged on test clips only; give --clips test.npz without --held_out"""
    given = ("--clips", folder / "calibration.npz", "--held_out", "--max_top1_drop", "2")
    return ["calibrate", "verify", "--bundle", good_bundle(folder), *given]


@on_workstation
def a_report_of_what_was_not_measured(folder: Path) -> Argv:
    """v.json: contains no results on labelled clips; write it with `python -m calibrate verify"""
    (folder / "v.json").write_text('{"networks": [{"network": "student.onnx"}]}')
    given = ("--bundle", good_bundle(folder), "--verified", folder / "v.json")
    return ["calibrate", "report", *given, "--page", folder / "page.md"]


@on_workstation
def a_report_that_was_cut(folder: Path) -> Argv:
    """v.json: it or the bundle's calibration.json lacks a value of the section: KeyError 'budget'"""
    bundle = good_bundle(folder)
    (bundle / "calibration.json").write_text("{}")
    networks = [{"network": name, "labelled": {"samples": 1}} for name in ("student.onnx", "student.int8.onnx")]
    (folder / "v.json").write_text(json.dumps({"networks": networks}))
    given = ("--bundle", relist(bundle), "--verified", folder / "v.json")
    return ["calibrate", "report", *given, "--page", folder / "page.md"]
