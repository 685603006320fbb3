"""PYSKL annotation pickles: the real format, and that no code in them runs."""

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.contract.errors import ConfigError, DataError
from train.data.readers.plain_pickle import read_pickle
from train.data.readers.pyskl import read_pyskl
from train.data.readers.reading import ReadOptions


def flat(name: str, bodies: int = 1, label: int = 0, joints: int = 17, frames: int = 4) -> dict[str, Any]:
    """A 2-D annotation as from HRNet: half floats, pixels, one score per joint."""
    rng = np.random.default_rng(len(name))
    return {
        "frame_dir": name,
        "label": label,
        "img_shape": (1080, 1920),
        "original_shape": (1080, 1920),
        "total_frames": frames,
        "keypoint": rng.uniform(10, 900, (bodies, frames, joints, 2)).astype(np.float16),
        "keypoint_score": rng.uniform(0.2, 1, (bodies, frames, joints)).astype(np.float16),
    }


def solid(name: str, bodies: int = 1, label: int = 0) -> dict[str, Any]:
    """A 3-D annotation of NTU RGB+D."""
    points = np.random.default_rng(0).uniform(0.1, 1, (bodies, 4, 25, 3)).astype(np.float16)
    return {"frame_dir": name, "label": label, "total_frames": 4, "keypoint": points}


def write(folder: Path, annotations: list[Any], split: Any = None, protocol: int = 4) -> Path:
    path = folder / "set.pkl"
    named = [a["frame_dir"] for a in annotations if isinstance(a, dict) and "frame_dir" in a]
    split = split or {"xsub_train": named[:1], "xsub_val": named[1:], "xview_train": named[1:], "xview_val": named[:1]}
    path.write_bytes(pickle.dumps({"split": split, "annotations": annotations}, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_two_dimensional_clips_are_in_pixels_for_every_pickle_protocol(tmp_path: Path, protocol: int) -> None:
    first, second = flat("a", label=3), flat("bb", label=np.int64(1))
    second["keypoint_score"][0, 1, 5] = 0
    second["keypoint"][0, 1, 6, 0] = 0  # at the left edge of the image, and seen
    del second["total_frames"]
    write(tmp_path, [first, second], protocol=protocol)
    data = read_pyskl(tmp_path)
    assert (data.name, data.layout, data.split) == ("set", "coco-17", "xsub of set.pkl")
    assert [(clip.id, clip.label, clip.train) for clip in data.clips] == [("a", 3, True), ("bb", 1, False)]
    assert np.array_equal(data.clips[0].joints, first["keypoint"].astype(np.float32)) and data.clips[0].seen.all()
    assert not data.clips[1].seen[0, 1, 5] and data.clips[1].seen.sum() == 4 * 17 - 1
    assert data.classes == ("class_000", "class_001", "class_002", "class_003")


def test_three_dimensional_clips_have_x_to_the_right_and_absent_bodies_unseen(tmp_path: Path) -> None:
    pair = solid("b", bodies=2)
    pair["keypoint"][1, 2:] = 0  # how the files mark a body that has left
    write(tmp_path, [solid("a"), pair])
    data = read_pyskl(tmp_path)
    assert data.layout == "ntu-25" and [clip.joints.shape for clip in data.clips] == [(2, 4, 25, 3)] * 2
    assert data.clips[0].joints[0] == pytest.approx(solid("a")["keypoint"][0] * np.array([-1, 1, 1]))
    assert data.clips[0].seen[0].all() and not data.clips[0].seen[1].any()
    assert data.clips[1].seen[1].all(axis=1).tolist() == [True, True, False, False]


def test_the_two_bodies_of_highest_score_or_largest_spread_are_used(tmp_path: Path) -> None:
    crowd = flat("a", bodies=4)
    crowd["keypoint_score"][:] = np.array([0.3, 0.9, 0.1, 0.6], np.float16)[:, None, None]
    couple = flat("bb", bodies=2)
    couple["keypoint_score"][0] = 0.1  # two bodies keep their order
    write(tmp_path, [crowd, couple])
    for clip, used in zip(read_pyskl(tmp_path).clips, (crowd["keypoint"][[1, 3]], couple["keypoint"]), strict=True):
        assert np.array_equal(clip.joints, used.astype(np.float32)) and clip.joints.dtype == np.float32
    crowd = solid("a", bodies=3)
    crowd["keypoint"] = (crowd["keypoint"] * np.array([1, 2, 4])[:, None, None, None]).astype(np.float32)
    write(tmp_path, [crowd, solid("b")])
    assert read_pyskl(tmp_path).clips[0].joints == pytest.approx(crowd["keypoint"][[2, 1]] * np.array([-1, 1, 1]))


def test_the_split_is_chosen_by_name_and_clips_of_no_list_are_left_out(tmp_path: Path) -> None:
    names = ["a", "bb", "ccc"]
    split = {"xsub_train": ["a"], "xsub_val": ["bb"], "xset_train": ["ccc", "bb"], "xset_val": ["a"]}
    path = write(tmp_path, [flat(name) for name in names], split)
    assert [(clip.id, clip.train) for clip in read_pyskl(path).clips] == [("a", True), ("bb", False)]
    assert [clip.train for clip in read_pyskl(path, ReadOptions(split="xset")).clips] == [False, True, True]
    with pytest.raises(ConfigError, match=r"no split 'xview'; give --data\.split xsub or xset"):
        read_pyskl(path, ReadOptions(split="xview"))
    write(tmp_path, [flat("a"), flat("bb")], {"train1": ["a"], "test1": ["bb"], "train": ["bb"], "val": ["a"]})
    assert [clip.train for clip in read_pyskl(path, ReadOptions(split="1")).clips] == [True, False]
    assert [clip.train for clip in read_pyskl(path, ReadOptions(split="official")).clips] == [False, True]


def test_class_names_come_from_a_label_map_beside_the_file(tmp_path: Path) -> None:
    write(tmp_path, [flat("a"), flat("bb", label=1)])
    (tmp_path / "label_map.txt").write_text("walk \n\nrun\n")
    assert read_pyskl(tmp_path).classes == ("walk", "run")
    # Windows editors begin a file with a byte-order mark.
    (tmp_path / "label_map.txt").write_text("walk\nrun\n", encoding="utf-8-sig")
    assert read_pyskl(tmp_path).classes == ("walk", "run")
    (tmp_path / "label_map.txt").write_text("walk\n")
    with pytest.raises(DataError, match="clip bb: label 1 is not one of 1 classes"):
        read_pyskl(tmp_path)


def changed(**changes: Any) -> list[Any]:
    return [{key: value for key, value in (flat("a") | changes).items() if value is not None}, flat("bb")]


BROKEN: list[tuple[list[Any], str]] = [
    (changed(keypoint=np.ones((1, 4, 14, 2))), r"annotation a: keypoint has shape \(1, 4, 14, 2\).*17 joints in 2-D"),
    (changed(keypoint=np.ones((1, 0, 17, 2))), r"annotation a: keypoint has shape \(1, 0, 17, 2\)"),
    (changed(keypoint=np.ones((4, 17, 2))), "annotation a: keypoint has shape"),
    (changed(keypoint=[[1, 2]]), "annotation a: keypoint is list, not numbers"),
    (changed(keypoint=np.array([None])), "annotation a: keypoint is an array object"),
    (changed(keypoint=None), "annotation a: keypoint is NoneType"),
    (changed(keypoint=None, raw_file="k400/1.pkl"), "annotation a has its keypoints in another file, k400/1.pkl"),
    (changed(keypoint_score=None), "annotation a: keypoint_score is NoneType"),
    (
        changed(keypoint_score=np.ones((1, 3, 17))),
        r"annotation a: keypoint_score is an array float64 \(1, 3, 17\).*\(1, 4, 17\)",
    ),
    (changed(total_frames=9), "annotation a: total_frames is 9, keypoint has 4"),
    (changed(total_frames=np.zeros(2)), r"annotation a: total_frames is \[0\. 0\.\], keypoint has 4"),
    (changed(label=None), "an annotation lacks frame_dir or an integer label"),
    ([*changed(), 7], "an annotation lacks frame_dir or an integer label"),
    ([flat("a"), flat("bb", joints=18)], r"annotation bb has joints \(18, 2\), earlier ones \(17, 2\)"),
]


@pytest.mark.parametrize(("annotations", "said"), BROKEN, ids=range(len(BROKEN)))
def test_an_invalid_annotation_is_one_line(tmp_path: Path, annotations: list[Any], said: str) -> None:
    write(tmp_path, annotations)
    with pytest.raises(DataError, match=rf"set\.pkl: {said}") as caught:
        read_pyskl(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bodies", [0, 1])
def test_a_clip_that_shows_nobody_is_left_out(tmp_path: Path, bodies: int) -> None:
    # PYSKL's tool for own videos writes as many bodies as were found in any frame.
    nobody = {"keypoint": np.zeros((bodies, 4, 17, 2)), "keypoint_score": np.zeros((bodies, 4, 17))}
    write(tmp_path, [flat("a") | nobody, flat("bb")])
    data = read_pyskl(tmp_path)
    assert [clip.id for clip in data.clips] == ["bb"] and data.split.endswith("; 1 clips that show nobody left out")


def test_a_joint_with_a_nan_is_unseen(tmp_path: Path) -> None:
    broken = flat("a")
    broken["keypoint"][0, 2, 3, 1], broken["keypoint_score"][0, 0, 0] = np.nan, np.nan
    write(tmp_path, [broken, flat("bb")])
    clip = read_pyskl(tmp_path).clips[0]
    assert np.argwhere(~clip.seen[0]).tolist() == [[0, 0], [2, 3]] and np.isfinite(clip.joints).all()


def test_a_clip_without_a_seen_joint_is_refused(tmp_path: Path) -> None:
    write(tmp_path, changed(keypoint=np.full((1, 4, 17, 2), np.nan, np.float32)))
    with pytest.raises(DataError, match="set, clip a: no joint is ever seen"):
        read_pyskl(tmp_path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.pkl file is in this folder; give the file itself"):
        read_pyskl(tmp_path)
    with pytest.raises(DataError, match=r"set\.pkl: no such dataset file"):
        read_pyskl(tmp_path / "set.pkl")
    whole = write(tmp_path, changed()).read_bytes()
    for size in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "set.pkl").write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"set\.pkl: not a readable pickle"):
            read_pyskl(tmp_path)
    (tmp_path / "set.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match="not a dict of split and annotations"):
        read_pyskl(tmp_path)
    write(tmp_path, changed(), {"train": ["a"], "val": 0.5})
    with pytest.raises(DataError, match="not a dict of split and annotations"):
        read_pyskl(tmp_path)
    write(tmp_path, changed(), {"everything": ["a"]})
    with pytest.raises(DataError, match=r"its splits \(everything\) have no pair"):
        read_pyskl(tmp_path)
    write(tmp_path, changed(), {"train": ["a", "bb"], "val": ["bb"]})
    with pytest.raises(DataError, match="clip bb is both in train and in val"):
        read_pyskl(tmp_path)
    write(tmp_path, changed(), {"train": ["x"], "val": ["y"]})
    with pytest.raises(DataError, match="no annotation of a body is in split official"):
        read_pyskl(tmp_path)
    write(tmp_path, changed()).with_name("other.pkl").write_bytes(whole)
    with pytest.raises(DataError, match=r"2 \.pkl files are in this folder; give the file itself"):
        read_pyskl(tmp_path)


class Runs:
    """Calls a function when unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("function", [os.mkdir, eval, getattr, np.load, pickle.loads])
def test_a_pickle_that_would_run_code_is_refused_in_one_line_and_not_run(
    tmp_path: Path, function: Callable[..., Any], protocol: int
) -> None:
    made = tmp_path / "made"
    path = tmp_path / "set.pkl"
    path.write_bytes(pickle.dumps({"split": {}, "annotations": [Runs(function, str(made))]}, protocol))
    with pytest.raises(DataError, match=r"set\.pkl: the pickle needs .* could run any code; save it again") as caught:
        read_pickle(path)
    assert "\n" not in str(caught.value) and not made.exists()


class Pointer:
    """A scalar of Python objects whose dtype claims to hold plain bytes: NumPy would follow them as a pointer."""

    def __reduce__(self) -> Any:
        return np.float64(0).__reduce__()[0], (PlainObjects(), b"A" * 8)


class PlainObjects:
    def __reduce__(self) -> Any:
        return np.dtype, ("O8", False, True), (3, "|", None, None, None, -1, -1, 0)


@pytest.mark.parametrize("value", [Pointer(), np.zeros(1, [("a", "f4"), ("b", "O")])])
def test_a_dtype_that_would_crash_numpy_is_refused(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "set.pkl"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(DataError, match=r"set\.pkl: not a readable pickle"):
        read_pickle(path)


def test_arrays_and_plain_containers_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "set.pkl"
    for protocol in (0, 2, 3, 4, 5):
        whole = {
            "array": np.arange(6, dtype=np.float16).reshape(2, 3),
            "fortran": np.asfortranarray(np.eye(3)),
            "swapped": np.arange(3, dtype=">f4"),
            "text": np.array(["a", "bc"]),
            "number": np.float32(1.5),
            "things": [1, 2.5, None, True, "x", b"y", (1,), {2}, frozenset({3}), OrderedDict(a=1)],
        }
        path.write_bytes(pickle.dumps(whole, protocol))
        found, expected = read_pickle(path), pickle.loads(path.read_bytes())
        assert found["things"] == whole["things"] and found["number"] == 1.5
        for name in ("array", "fortran", "swapped", "text"):
            assert np.array_equal(found[name], whole[name]) and found[name].dtype == expected[name].dtype  # type: ignore[union-attr]
