"""Penn Action and UTD-MHAD from .mat files, written by SciPy from real and made-up numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from edge.contract.errors import DataError
from train.data.clip import SkeletonSet
from train.data.readers.penn_action import read_penn_action
from train.data.readers.utd_mhad import read_utd_mhad

FILES = {"penn": "labels/0003.mat", "utd": "Skeleton/a2_s3_t1_skeleton.mat"}
READERS: dict[str, Callable[..., SkeletonSet]] = {"penn": read_penn_action, "utd": read_utd_mhad}


def good(kind: str) -> dict[str, Any]:
    """A clip of five frames, as MATLAB holds it: scalars are 1 x 1, numbers double."""
    rng = np.random.default_rng(0)
    if kind == "utd":
        return {"d_skel": rng.normal(0, 1, (20, 3, 5))}
    return {
        "action": "squat",
        "pose": "front",
        "x": rng.uniform(10, 400, (5, 13)),
        "y": rng.uniform(10, 300, (5, 13)),
        "visibility": np.ones((5, 13)),
        "train": np.array([[-1]], np.int16),
        "bbox": np.ones((5, 4)),
        "dimensions": np.array([[300, 400, 5]], np.uint16),
        "nframes": np.array([[5]], np.uint16),
    }


def write(folder: Path, kind: str, changes: dict[str, Any] | None = None, without: str = "") -> Path:
    path = folder / FILES[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {key: value for key, value in (good(kind) | (changes or {})).items() if key != without})
    return path


def test_penn_action_is_the_same_from_label_files_and_packed(tmp_path: Path, shared_data: Path) -> None:
    packed = read_penn_action(shared_data)
    numbers = [0, 1, 700, 1500, 2325]
    with np.load(shared_data / "penn_action.npz") as raw:
        ends = np.cumsum(raw["length"])
        (tmp_path / "labels").mkdir()
        for n in numbers:
            xy = raw["xy"][ends[n] - raw["length"][n] : ends[n]].astype(float)
            fields = {
                "action": str(raw["classes"][raw["label"][n]]),
                "x": xy[..., 0],
                "y": xy[..., 1],
                "train": 1.0 if raw["train"][n] else -1.0,
                "nframes": len(xy),
            }
            savemat(tmp_path / "labels" / f"{n + 1:04d}.mat", good("penn") | fields)
    data = read_penn_action(tmp_path)
    assert data.classes == packed.classes
    same(data, packed, [f"penn-{n + 1:04d}" for n in numbers])


def test_utd_mhad_is_the_same_from_the_authors_files_and_packed(tmp_path: Path, shared_data: Path) -> None:
    packed = read_utd_mhad(shared_data)
    with np.load(shared_data / "utd_mhad.npz") as raw:
        ends, ids = np.cumsum(raw["length"]), []
        for n in (0, 300, 860):
            action, subject, trial = raw["meta"][n]
            xyz = raw["xyz"][ends[n] - raw["length"][n] : ends[n]].astype(float)
            path = tmp_path / f"a{action}_s{subject}_t{trial}_skeleton.mat"
            savemat(path, {"d_skel": xyz.transpose(1, 2, 0)})
            ids.append(f"utd-a{action}-s{subject}-t{trial}")
    same(read_utd_mhad(tmp_path), packed, ids)


def same(data: SkeletonSet, packed: SkeletonSet, ids: list[str]) -> None:
    clips, expected = ({clip.id: clip for clip in part.clips} for part in (data, packed))
    assert sorted(clips) == sorted(ids)
    for name, clip in clips.items():
        other = expected[name]
        assert (clip.label, clip.train, clip.fps) == (other.label, other.train, other.fps)
        assert np.array_equal(clip.seen, other.seen)
        assert np.array_equal(clip.joints[clip.seen], other.joints[other.seen]) and clip.joints.dtype == np.float32


@pytest.mark.parametrize("kind", FILES)
def test_a_joint_with_a_nan_is_unseen(tmp_path: Path, kind: str) -> None:
    raw = good(kind)
    array = raw["x"] if kind == "penn" else raw["d_skel"]
    array[(2, 5) if kind == "penn" else (5, 1, 2)] = np.nan
    write(tmp_path, kind, raw)
    (clip,) = READERS[kind](tmp_path).clips
    # Penn Action's sides are swapped: its joint 5 is the person's right wrist, 6 here.
    assert not clip.seen[0, 2, 6 if kind == "penn" else 5] and clip.seen.sum() == clip.seen.size - 1


def test_a_single_frame_is_a_clip(tmp_path: Path) -> None:
    write(tmp_path, "utd", {"d_skel": good("utd")["d_skel"][..., 0]})
    assert read_utd_mhad(tmp_path).clips[0].joints.shape == (1, 1, 20, 3)


BROKEN = [
    ("penn", {"x": np.ones((5, 14))}, "x is float64 of shape \\(5, 14\\).*shape \\(frames, 13\\)"),
    ("penn", {"x": np.ones((5, 26))}, "x is"),  # two bodies beside each other
    ("penn", {"x": np.ones((0, 13)), "y": np.ones((0, 13)), "nframes": 0}, "clip penn-0003: joints"),
    ("penn", {"y": np.ones((4, 13))}, "y is float64 of shape \\(4, 13\\)"),
    ("penn", {"y": np.array([["a"] * 13] * 5)}, "y is"),
    ("penn", {"nframes": 9}, "nframes is \\[9\\], but there are 5 frames"),
    ("penn", {"action": "juggle"}, "action 'juggle'.*the actions are baseball_pitch"),
    ("penn", {"train": 0}, "train 0"),
    ("penn", {"train": "yes"}, "train 0"),
    ("penn", {"train": np.array([1, 1]), "action": np.array(["squat", "bowl"])}, "action '' with train 0"),
    ("penn", {"x": np.full((5, 13), np.nan)}, "clip penn-0003: no joint is ever seen"),
    ("utd", {"d_skel": np.ones((25, 3, 5))}, "d_skel is float64 of shape \\(25, 3, 5\\).*\\(20, 3, frames\\)"),
    ("utd", {"d_skel": np.ones((20, 3, 0))}, "clip utd-a2-s3-t1: joints"),
    ("utd", {"d_skel": np.ones((2, 20, 3, 5))}, "d_skel is"),  # two bodies
    ("utd", {"d_skel": np.full((20, 3, 5), np.inf)}, "clip utd-a2-s3-t1: no joint is ever seen"),
]


@pytest.mark.parametrize(("kind", "changes", "said"), BROKEN)
def test_an_invalid_clip_is_one_line_that_names_it(
    tmp_path: Path, kind: str, changes: dict[str, Any], said: str
) -> None:
    path = write(tmp_path, kind, changes)
    with pytest.raises(DataError, match=said) as caught:
        READERS[kind](tmp_path)
    assert "\n" not in str(caught.value) and (path.name in str(caught.value) or "clip " in str(caught.value))


@pytest.mark.parametrize(("kind", "lacking"), [("penn", "y"), ("penn", "train"), ("utd", "d_skel")])
def test_a_missing_variable_is_named(tmp_path: Path, kind: str, lacking: str) -> None:
    write(tmp_path, kind, without=lacking)
    with pytest.raises(DataError, match=rf"\.mat: the file lacks '{lacking}'; it must contain"):
        READERS[kind](tmp_path)


@pytest.mark.parametrize("kind", FILES)
def test_a_truncated_or_altered_file_is_refused_or_reads_correctly(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    whole = path.read_bytes()
    refused = 0
    for size in range(0, len(whole) - 1, max(1, len(whole) // 15)):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=path.name):
            READERS[kind](tmp_path)
    for at in range(0, 260, 7):  # the header of the file and of its first variable
        content = bytearray(whole)
        content[at] ^= 0xFF
        path.write_bytes(content)
        try:
            READERS[kind](tmp_path)  # a changed number or comment cannot be detected
        except DataError:
            refused += 1
    assert refused > 0


def test_a_missing_file_is_named_with_the_alternative(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"penn_action\.npz: no such dataset file; .*labels/0001\.mat"):
        read_penn_action(tmp_path)
    with pytest.raises(DataError, match=r"utd_mhad\.npz: no such dataset file; .*a1_s1_t1_skeleton\.mat"):
        read_utd_mhad(tmp_path)


def test_an_oddly_named_skeleton_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "utd").rename(tmp_path / "Skeleton" / "a2_subject3_skeleton.mat")
    with pytest.raises(DataError, match="the name has no action, subject and trial"):
        read_utd_mhad(tmp_path)


def test_an_action_beyond_the_last_class_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "utd").rename(tmp_path / "Skeleton" / "a28_s3_t1_skeleton.mat")
    with pytest.raises(DataError, match="utd-a28-s3-t1: label 27 is not one of 27 classes"):
        read_utd_mhad(tmp_path)
