"""Datasets, videos and runs given to ``train``."""

from pathlib import Path

import numpy as np
from bad_input.table import Argv, row, rows, words


def trained(folder: Path, flags: str) -> Argv:
    return ["train", *words(folder, flags)]


def teach(folder: Path, flags: str) -> Argv:
    """flags: they begin with the name of the dataset."""
    short = "--optimiser.epochs 1 --width 8 --hardware.threads 1"
    return trained(folder, f"teacher --out {{}}/run {short} --data.dataset {flags}")


rows(
    teach,
    {
        "imagenet --data.folder {}": "unknown dataset 'imagenet'; known datasets: penn_action",
        "penn_action --data.folder {}/nowhere": "penn_action.npz: no such dataset file",
        "utd_mhad": "dataset utd_mhad needs a folder; give it with --data.folder",
        "ntu60 --data.folder {} --data.split xset": "ntu60 has no split 'xset'; give --data.split xsub or xview",
        "kinematic --data.split xsub": "kinematic has no split 'xsub'; leave --data.split out: it has only one split",
        "kinematic --data.folder {}": (
            "kinematic is generated and reads no folder; name its dataset, for instance --data.dataset penn_action"
        ),
        "kinematic --hardware.devices 0": "hardware: devices is 0; give a number in [1, 10000]",
        "kinematic --data.clips_per_class 2 --network transformer": "transformer",
    },
)
rows(
    trained,
    {
        "student --out {0}/run --teacher {0} --method papers": "unknown method 'papers'; known methods: alone",
        "student --out {0}/run --teacher {0}/nowhere": "nowhere",
        "export --run {0}/nowhere --bundle {0}/bundle --workdir {0}/work": "nowhere",
        "ablation --out {}/run --methods [paper]": "an ablation needs seeds and the method alone",
        "fit-errors --pairs {0}/nowhere --out {0}/errors.yaml": (
            "nowhere: no pairs here: pairs.yaml is missing; give the folder that make pairs wrote"
        ),
    },
)


@row()
def pairs_of_own_videos_read_as_another_dataset(folder: Path) -> Argv:
    """the folder has pairs from videos, not penn_action; give --data.dataset video_pairs (make road: DATASET="""
    (folder / "pairs.yaml").touch()
    return teach(folder, "penn_action --data.folder {}")


@row()
def a_dataset_that_is_damaged(folder: Path) -> Argv:
    """penn_action.npz: not a readable .npz file"""
    (folder / "penn_action.npz").write_bytes(b"PK\x03\x04 and no more")
    return teach(folder, "penn_action --data.folder {}")


def teach_utd_mhad(folder: Path, coordinate: float) -> Argv:
    """Train on four clips in which all coordinates have one value."""
    frames = 40
    arrays = {
        "xyz": np.full((4 * frames, 20, 3), coordinate, np.float32),
        "length": np.full(4, frames),
        "meta": np.array([[1, 1, 1], [2, 1, 1], [1, 2, 1], [2, 2, 1]]),
    }
    np.savez(folder / "utd_mhad.npz", **arrays)
    return teach(folder, "utd_mhad --data.folder {}")


@row()
def skeletons_that_are_not_numbers(folder: Path) -> Argv:
    """no joint is ever seen"""
    return teach_utd_mhad(folder, np.nan)


@row()
def skeletons_at_a_distance_that_is_not_possible(folder: Path) -> Argv:
    """UTD-MHAD, clip utd-a1-s1-t1: joints contain NaN, or are further than 1e+06 pixels or metres from the origin"""
    return teach_utd_mhad(folder, 3e38)


@row()
def a_skeleton_file_of_which_the_end_is_missing(folder: Path) -> Argv:
    """S001C001P001R001A001.skeleton: line 2: the file ends where a body's state should follow; copy it again"""
    (folder / "S001C001P001R001A001.skeleton").write_text("70\n1\n")
    return teach(folder, "ntu60 --data.folder {}")


@row()
def annotations_that_would_run_a_program(folder: Path) -> Argv:
    """set.pkl: the pickle needs posix.system, which could run any code; save it again with NumPy arrays"""
    (folder / "set.pkl").write_bytes(b"cposix\nsystem\n(S'touch ran'\ntR.")
    return teach(folder, "pyskl --data.folder {}")


def paired(folder: Path, names: str, flags: str = "") -> Argv:
    """train pairs over files of these names, none of which need be a video to get as far as these cases do."""
    for name in names.split():
        (folder / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "videos" / name).write_text("no video")
    return trained(folder, f"pairs --videos {{0}}/videos --out {{0}}/out {flags}")


def paired_by(folder: Path, flags: str) -> Argv:
    return paired(folder, "walk/a.mp4 walk/b.mp4", flags)


rows(
    paired,
    {
        "": "videos: no such folder; give the folder of your videos",
        "a.mp4 b.mp4": "videos: no subfolders here; put the videos into one subfolder per class",
        "walk/a.txt walk/b.txt": "videos: no videos in its subfolders; known suffixes are mp4",
        "walk/a.mp4 run/b.mp4": "no class has two videos, one for training and one for testing",
    },
)
rows(
    paired_by,
    {
        "--high.name openpose": "unknown pose estimator 'openpose'",
        "--high.name tf_pose --low.name tf_pose": "tf_pose needs a network file",
    },
)


@row()
def clips_whose_lengths_are_texts(folder: Path) -> Argv:
    """length is <U1 of shape (1,), not integers of shape (clips); copy it again"""
    np.savez(folder / "utd_mhad.npz", xyz=np.zeros((4, 20, 3)), length=["4"], meta=np.array([[1, 1, 1]]))
    return teach(folder, "utd_mhad --data.folder {}")
