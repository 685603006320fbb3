"""What is given to `bench`, `threshold` and `soak`."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from bad_input.table import Argv, good_bundle, poses, row, rows, video, words

from edge.bench.latency_report import FORMAT


def measured(folder: Path, flags: str) -> Argv:
    return ["edge", *words(folder, flags)]


rows(
    measured,
    {
        "bench latency --frames 30 --warm_up_frames 30 --out {}/out": (
            "30 frames, 30 to warm up; give at least twice as many frames, or fewer to warm up"
        ),
        "soak --source {}/nowhere.mp4": "nowhere.mp4: no frame received; give a readable video",
        "soak --minutes 1 --warm_up_minutes 2": (
            "minutes is 1, warm_up_minutes is 2; give a longer run, or a shorter warm-up, above 0"
        ),
    },
)


ZEROS = np.zeros((2, 3, 32, 13, 1))


def accuracy(folder: Path, flags: str = "", **arrays: object) -> Argv:
    np.savez(folder / "test.npz", **arrays)
    good_bundle(folder)
    return measured(folder, f"bench accuracy --bundle {{0}}/bundle --clips {{0}}/test.npz {flags}")


@row()
def clips_without_labels(folder: Path) -> Argv:
    """labels are int64 (0,), which do not fit 2 clips"""
    return accuracy(folder, clips=ZEROS)


@row()
def clips_of_classes_that_the_bundle_lacks(folder: Path) -> Argv:
    """labels range from 0 to 4 for 4 classes"""
    return accuracy(folder, clips=ZEROS, labels=[0, 4])


@row()
def a_floor_above_everything(folder: Path) -> Argv:
    """min_top1 is 101.0; give a number in [0, 100]"""
    return accuracy(folder, "--min_top1 101", clips=ZEROS, labels=[0, 1])


@row()
def clips_that_are_damaged(folder: Path) -> Argv:
    """test.npz: not a readable .npz file: it is another format, or truncated; give clips and labels"""
    argv = accuracy(folder, labels=[0])
    (folder / "test.npz").write_bytes(b"PK")
    return argv


@row()
def clips_that_would_run_code(folder: Path) -> Argv:
    """test.npz: not a readable .npz file: Object arrays cannot be loaded when allow_pickle=False"""

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(folder / "run"),)

    return accuracy(folder, clips=np.array([Payload()], object), labels=[0])


@row()
def a_measurement_of_a_source_that_is_too_short(folder: Path) -> Argv:
    """it ends after 2 frames; give a longer one"""
    given = ("--bundle", good_bundle(folder), "--source", f"replay://{poses(folder, 2)}")
    return ["edge", "bench", "latency", *given, "--out", folder / "out"]


@row()
def a_comparison_with_what_is_no_report(folder: Path) -> Argv:
    """before.json: this is not a latency report, or one of another release"""
    for name in ("before.json", "after.json"):
        (folder / name).write_text('{"format": "another"}')
    return ["edge", "bench", "latency", "--compare", folder / "before.json", folder / "after.json"]


@row()
def a_comparison_with_a_report_that_was_cut(folder: Path) -> Argv:
    """after.json: key 'bundle' is missing; measure again"""
    for name in ("before.json", "after.json"):
        (folder / name).write_text(json.dumps({"format": FORMAT, "loop": []}))
    return ["edge", "bench", "latency", "--compare", folder / "before.json", folder / "after.json"]


@row()
def a_comparison_with_a_figure_of_hundreds_of_digits(folder: Path) -> Argv:
    """after.json: a value is missing, or of the wrong type or size; measure again"""
    for name in ("before.json", "after.json"):
        keys = ("bundle", "precision", "threads", "source", "pose", "student")
        machine = dict.fromkeys(("machine", "cpu", "cores", "power_mode"))
        loop = [{"frames_per_s": 10**400, "stages": {}}, {"frames_per_s": 1, "stages": {}}]
        report = {"format": FORMAT, **dict.fromkeys(keys), "machine": machine, "loop": loop}
        report |= {"display": {"runs": []}, "student_batches": [[]], "pose_networks": [{}]}
        (folder / name).write_text(json.dumps(report))
    return ["edge", "bench", "latency", "--compare", folder / "before.json", folder / "after.json"]


@row()
def a_soak_whose_report_is_its_source(folder: Path) -> Argv:
    """clip.mp4 is the source itself; give the output another name"""
    given = video(folder)
    return ["edge", "soak", "--source", given, "--bundle", good_bundle(folder), "--report", given]


@row()
def a_comparison_with_text_that_cannot_be_printed(folder: Path) -> Argv:
    """before.json: not readable as JSON: 'utf-8' codec can't encode character"""
    (folder / "before.json").write_text(json.dumps({"format": FORMAT, "bundle": "\ud800"}))
    return ["edge", "bench", "latency", "--compare", folder / "before.json", folder / "before.json"]


@row()
def a_soak_whose_report_is_a_folder(folder: Path) -> Argv:
    """cannot be written: it is a folder"""
    absent = ["--pose.name", "trt_pose", "--pose.network", "absent.onnx"]
    return ["edge", "soak", "--source", video(folder), "--bundle", good_bundle(folder), "--report", folder, *absent]


def judged(folder: Path, clips: object, labels: object = (0, 1)) -> Argv:
    np.savez(folder / "test.npz", clips=clips, labels=labels)
    return ["edge", "threshold", "--bundle", good_bundle(folder), "--clips", folder / "test.npz"]


def with_strangers(folder: Path, clips: object = None) -> Argv:
    """Without ``clips`` there is no such file."""
    path = folder / "strangers.npz"
    if clips is not None:
        np.savez(path, clips=clips)
    return [*judged(folder, ZEROS), "--strangers", path]


@row()
def a_threshold_whose_strangers_are_absent(folder: Path) -> Argv:
    """strangers.npz: cannot be read: No such file or directory"""
    return with_strangers(folder)


@row()
def a_threshold_whose_strangers_are_an_empty_file(folder: Path) -> Argv:
    """strangers.npz: not a readable .npz file: it is another format, or truncated"""
    argv = with_strangers(folder)
    (folder / "strangers.npz").touch()
    return argv


@row()
def a_threshold_of_no_strangers(folder: Path) -> Argv:
    """strangers.npz: clips are float64 (0, 3, 32, 13, 1), which do not fit (N, 3, 32, 13, 1)"""
    return with_strangers(folder, ZEROS[:0])


@row()
def a_threshold_whose_strangers_have_other_joints(folder: Path) -> Argv:
    """strangers.npz: clips are float64 (2, 3, 32, 17, 1), which do not fit (N, 3, 32, 13, 1)"""
    return with_strangers(folder, np.zeros((2, 3, 32, 17, 1)))


@row()
def a_threshold_whose_strangers_are_not_numbers(folder: Path) -> Argv:
    """strangers.npz: clip 0 contains NaN, infinite or too large values"""
    return with_strangers(folder, ZEROS + np.nan)


@row()
def a_threshold_whose_strangers_are_the_clips_themselves(folder: Path) -> Argv:
    """no threshold makes 95 % of the decisions correct; the best one"""
    return with_strangers(folder, ZEROS)


@row()
def a_threshold_from_clips_of_other_joints(folder: Path) -> Argv:
    """clips are float64 (2, 3, 32, 17, 1), which do not fit (N, 3, 32, 13, 1)"""
    return judged(folder, np.zeros((2, 3, 32, 17, 1)))


@row()
def a_threshold_of_labels_that_are_no_whole_numbers(folder: Path) -> Argv:
    """labels are float64 (2,), which do not fit 2 clips: give whole numbers (N,)"""
    return judged(folder, ZEROS, labels=[0.0, 1.5])


@row()
def a_threshold_of_clips_that_are_not_numbers(folder: Path) -> Argv:
    """clip 0 contains NaN, infinite or too large values"""
    return judged(folder, ZEROS + np.nan)


@row()
def a_threshold_of_clips_too_large_for_the_network(folder: Path) -> Argv:
    """clip 0 contains NaN, infinite or too large values"""
    return judged(folder, ZEROS + 1e300)


@row()
def clips_that_would_run_a_program(folder: Path) -> Argv:
    """test.npz: not a readable .npz file: Object arrays cannot be loaded"""
    return judged(folder, np.array([None, {}], dtype=object))


@row()
def a_threshold_of_one_array(folder: Path) -> Argv:
    """test.npz: not a readable .npz file: it is another format"""
    argv = judged(folder, [0])
    with (folder / "test.npz").open("wb") as stream:
        np.save(stream, np.zeros(3))
    return argv


@row()
def an_archive_of_texts(folder: Path) -> Argv:
    """test.npz: 'clips' is not an array"""
    argv = judged(folder, [0])
    with zipfile.ZipFile(folder / "test.npz", "w") as archive:
        archive.writestr("clips.npy", "0.1, 0.2")
    return argv
