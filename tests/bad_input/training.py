"""Datasets, videos and runs given to ``train``."""

from pathlib import Path

import numpy as np
from bad_input.table import Argv, row


def teach(folder: Path, dataset: str, *more: str | Path) -> Argv:
    short = ("--optimiser.epochs", "1", "--width", "8", "--hardware.threads", "1")
    return ["train", "teacher", "--out", folder / "run", "--data.dataset", dataset, *short, *more]


@row()
def a_dataset_that_is_not_known(folder: Path) -> Argv:
    """unknown dataset 'imagenet'; known datasets: penn_action"""
    return teach(folder, "imagenet", "--data.folder", folder)


@row()
def a_method_that_is_not_known(folder: Path) -> Argv:
    """unknown method 'papers'; known methods: alone"""
    return ["train", "student", "--out", folder / "run", "--teacher", folder, "--method", "papers"]


@row()
def hardware_that_cannot_be(folder: Path) -> Argv:
    """hardware: devices is 0; give a number in [1, 10000]"""
    return teach(folder, "kinematic", "--hardware.devices", "0")


@row()
def an_ablation_without_a_baseline(folder: Path) -> Argv:
    """an ablation needs seeds and the method alone"""
    return ["train", "ablation", "--out", folder / "run", "--methods", "[paper]"]


@row()
def a_dataset_in_another_folder(folder: Path) -> Argv:
    """penn_action.npz: no such dataset file"""
    return teach(folder, "penn_action", "--data.folder", folder / "nowhere")


@row()
def pairs_of_own_videos_read_as_another_dataset(folder: Path) -> Argv:
    """the folder has pairs from videos, not penn_action; give --data.dataset video_pairs (make road: DATASET="""
    (folder / "pairs.yaml").touch()
    return teach(folder, "penn_action", "--data.folder", folder)


@row()
def a_dataset_without_its_folder(folder: Path) -> Argv:
    """dataset utd_mhad needs a folder; give it with --data.folder"""
    return teach(folder, "utd_mhad")


@row()
def a_dataset_that_is_damaged(folder: Path) -> Argv:
    """penn_action.npz: not a readable .npz file"""
    (folder / "penn_action.npz").write_bytes(b"PK\x03\x04 and no more")
    return teach(folder, "penn_action", "--data.folder", folder)


def teach_utd_mhad(folder: Path, coordinate: float) -> Argv:
    """Train on four clips in which all coordinates have one value."""
    frames = 40
    arrays = {
        "xyz": np.full((4 * frames, 20, 3), coordinate, np.float32),
        "length": np.full(4, frames),
        "meta": np.array([[1, 1, 1], [2, 1, 1], [1, 2, 1], [2, 2, 1]]),
    }
    np.savez(folder / "utd_mhad.npz", **arrays)
    return teach(folder, "utd_mhad", "--data.folder", folder)


@row()
def skeletons_that_are_not_numbers(folder: Path) -> Argv:
    """no joint is ever seen"""
    return teach_utd_mhad(folder, np.nan)


@row()
def skeletons_at_a_distance_that_is_not_possible(folder: Path) -> Argv:
    """UTD-MHAD, clip utd-a1-s1-t1: joints contain NaN, or are further than 1e+06 pixels or metres from the origin"""
    return teach_utd_mhad(folder, 3e38)


@row()
def a_split_that_the_dataset_does_not_have(folder: Path) -> Argv:
    """dataset ntu60 has no split 'xset'; give --data.split xsub or xview"""
    return teach(folder, "ntu60", "--data.folder", folder, "--data.split", "xset")


@row()
def a_split_of_generated_clips(folder: Path) -> Argv:
    """dataset kinematic has no split 'xsub'; leave --data.split out: it has only one split"""
    return teach(folder, "kinematic", "--data.split", "xsub")


@row()
def a_folder_without_the_name_of_its_dataset(folder: Path) -> Argv:
    """dataset kinematic is generated and reads no folder; name its dataset, for instance --data.dataset penn_action"""
    return teach(folder, "kinematic", "--data.folder", folder)


@row()
def a_skeleton_file_of_which_the_end_is_missing(folder: Path) -> Argv:
    """S001C001P001R001A001.skeleton: line 2: the file ends where a body's state should follow; copy it again"""
    (folder / "S001C001P001R001A001.skeleton").write_text("70\n1\n")
    return teach(folder, "ntu60", "--data.folder", folder)


@row()
def annotations_that_would_run_a_program(folder: Path) -> Argv:
    """set.pkl: the pickle needs posix.system, which could run any code; save it again with NumPy arrays"""
    (folder / "set.pkl").write_bytes(b"cposix\nsystem\n(S'touch ran'\ntR.")
    return teach(folder, "pyskl", "--data.folder", folder)


def videos(folder: Path, *names: str) -> Argv:
    """train pairs over files of these names, none of which need be a video to get as far as these cases do."""
    for name in names:
        (folder / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "videos" / name).write_text("no video")
    return ["train", "pairs", "--videos", folder / "videos", "--out", folder / "out"]


@row()
def a_folder_of_videos_that_is_not_there(folder: Path) -> Argv:
    """videos: no such folder; give the folder of your videos"""
    return videos(folder)


@row()
def videos_without_a_subfolder_a_class(folder: Path) -> Argv:
    """videos: no subfolders here; put the videos into one subfolder per class"""
    return videos(folder, "a.mp4", "b.mp4")


@row()
def classes_of_text_files(folder: Path) -> Argv:
    """videos: no videos in its subfolders; known suffixes are mp4"""
    return videos(folder, "walk/a.txt", "walk/b.txt")


@row()
def classes_of_one_video_each(folder: Path) -> Argv:
    """no class has two videos, one for training and one for testing"""
    return videos(folder, "walk/a.mp4", "run/b.mp4")


@row()
def videos_for_an_estimator_that_is_not_known(folder: Path) -> Argv:
    """unknown pose estimator 'openpose'"""
    return [*videos(folder, "walk/a.mp4", "walk/b.mp4"), "--high.name", "openpose"]


@row()
def videos_for_a_cheap_estimator_without_its_network(folder: Path) -> Argv:
    """tf_pose needs a network file"""
    return [*videos(folder, "walk/a.mp4", "walk/b.mp4"), "--high.name", "tf_pose", "--low.name", "tf_pose"]


@row()
def errors_to_fit_to_no_pairs(folder: Path) -> Argv:
    """nowhere: no pairs here: pairs.yaml is missing; give the folder that make pairs wrote"""
    return ["train", "fit-errors", "--pairs", folder / "nowhere", "--out", folder / "errors.yaml"]


@row()
def a_network_that_is_not_known(folder: Path) -> Argv:
    """transformer"""
    return teach(folder, "kinematic", "--data.clips_per_class", "2", "--network", "transformer")


@row()
def a_student_without_its_teacher(folder: Path) -> Argv:
    """nowhere"""
    return ["train", "student", "--out", folder / "run", "--teacher", folder / "nowhere"]


@row()
def an_export_of_no_run(folder: Path) -> Argv:
    """nowhere"""
    out = ("--bundle", folder / "bundle", "--workdir", folder / "work")
    return ["train", "export", "--run", folder / "nowhere", *out]


@row()
def clips_whose_lengths_are_texts(folder: Path) -> Argv:
    """length is <U1 of shape (1,), not integers of shape (clips); copy it again"""
    np.savez(folder / "utd_mhad.npz", xyz=np.zeros((4, 20, 3)), length=["4"], meta=np.array([[1, 1, 1]]))
    return teach(folder, "utd_mhad", "--data.folder", folder)
