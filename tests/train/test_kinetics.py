"""Kinetics skeletons in ST-GCN's JSON format, with made-up numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skeleton_files import person, write_kinetics

from edge.contract.errors import DataError
from edge.contract.layouts import layout
from train.data.readers.kinetics import read_kinetics


def frame(number: int, *people: dict[str, Any]) -> dict[str, Any]:
    return {"frame_index": number, "skeleton": list(people)}


def middles(clip, slot: int) -> list[float | None]:
    """Mean x of one of the two people in each frame, as a fraction of the image."""
    return [
        round(float(joints[seen, 0].mean()) / 340, 1) if seen.any() else None
        for joints, seen in zip(clip.joints[slot], clip.seen[slot], strict=True)
    ]


def test_a_clip_is_in_pixels_from_its_first_to_its_last_frame(tmp_path: Path) -> None:
    someone = person(0.5, 0.5, 0.8)
    someone["pose"][:2], someone["score"][0] = [0.25, 0.75], 0.9
    someone["pose"][6:8], someone["score"][3] = [0.0, 0.0], 0.0
    someone["pose"][10], someone["pose"][12:14], someone["score"][7] = 0.0, [0.0, 0.0], 0.0
    write_kinetics(tmp_path, {"abc": [frame(1, someone), frame(2), frame(4, someone)]})
    data = read_kinetics(tmp_path)
    (clip,) = data.clips
    assert (data.layout, clip.id, clip.label, clip.train, clip.fps) == ("openpose-18", "abc", 0, False, 30.0)
    assert clip.joints.shape == (2, 4, 18, 2) and clip.joints[0, 0, 0].tolist() == [85.0, 192.0]
    assert clip.seen.any(axis=2).tolist() == [[True, False, False, True], [False] * 4]
    # A joint at the left edge, such as 5, is seen; one at the corner or without a score is not. 3 is the right elbow.
    assert np.flatnonzero(~clip.seen[0, 0]).tolist() == [*layout("openpose-18").index("right_elbow"), 6, 7]


def test_the_two_people_of_highest_mean_score_are_used(tmp_path: Path) -> None:
    crowd = [person(0.1, 0.5, 0.3), person(0.3, 0.5, 0.9), person(0.6, 0.5, 0.5), person(0.9, 0.5, 0.4)]
    write_kinetics(tmp_path, {"abc": [frame(1, *crowd), frame(2, *crowd[::-1])]})
    (clip,) = read_kinetics(tmp_path).clips
    assert middles(clip, 0) == [0.3, 0.3] and middles(clip, 1) == [0.6, 0.6]


def test_people_keep_their_slot_if_frames_reorder_or_miss_them(tmp_path: Path) -> None:
    # The sum of x and y is the same for both.
    left, right, faint = (lambda s: person(0.2, 0.9, s)), (lambda s: person(0.6, 0.37, s)), 0.2
    frames = [frame(1, left(0.9), right(0.5)), frame(2, left(0.4), right(0.5)), frame(3, right(faint), left(0)),
              frame(4, right(0.9), left(0.5)), frame(5, left(0.7))]  # fmt: skip
    frames[1]["skeleton"][1]["score"][3:] = [0.0] * 15  # only the head of the right one is seen
    write_kinetics(tmp_path, {"abc": frames})
    (clip,) = read_kinetics(tmp_path).clips
    assert middles(clip, 0) == [0.2, 0.2, None, 0.2, 0.2]
    assert middles(clip, 1) == [0.6, 0.6, 0.6, 0.6, None]


def test_train_and_validation_parts_share_classes_and_clips_without_skeleton_are_left_out(tmp_path: Path) -> None:
    write_kinetics(tmp_path, {"a": [frame(1, person(0.5, 0.5, 1))]}, "train")
    # Like the published files, d and e show nobody although has_skeleton is true.
    nobody: dict[str, Any] = {"c": [], "d": [], "e": [frame(1), frame(2)]}
    write_kinetics(tmp_path, {"b": [frame(1, person(0.5, 0.5, 1))], **nobody}, "val")
    labels = tmp_path / "kinetics_val_label.json"
    raw = json.loads(labels.read_text())
    raw["c"]["has_skeleton"] = False
    labels.write_text(json.dumps(raw))
    data = read_kinetics(tmp_path)
    assert data.split.endswith("; 2 clips that show nobody left out")
    assert [(clip.id, clip.label, clip.train) for clip in data.clips] == [("a", 0, True), ("b", 0, False)]
    assert data.classes == ("action 0", "action 1", "action 2", "action 3")


def test_a_joint_with_a_nan_is_unseen(tmp_path: Path) -> None:
    someone = person(0.5, 0.5, 0.8)
    someone["pose"][4], someone["score"][7] = float("nan"), float("nan")
    write_kinetics(tmp_path, {"abc": [frame(1, someone)]})
    (clip,) = read_kinetics(tmp_path).clips
    assert np.flatnonzero(~clip.seen[0, 0]).tolist() == [2, 7] and np.isfinite(clip.joints).all()


def short(keys: tuple[str, ...], size: int) -> dict[str, Any]:
    return {key: values[:size] for key, values in person(0.5, 0.5, 1).items() if key in keys}


ONE = person(0.5, 0.5, 1)
BROKEN: list[tuple[Any, str]] = [
    (None, "entry 0 of data has no skeleton"),
    ([{"frame_index": 1, "skeleton": None}], "entry 0 of data has no skeleton"),
    ([{"frame_index": 1, "skeleton": [7]}], "frame 1: a person has no numeric pose and score"),
    ([frame(1, {"pose": ONE["pose"], "score": [1] * 17})], "frame 1: 36 coordinates and 17 scores"),
    ([frame(1, {"pose": [0.1] * 34, "score": [1] * 18})], "frame 1: 34 coordinates and 18 scores"),
    ([frame(1, short(("pose", "score"), 17))], "frame 1: 17 coordinates and 17 scores, but openpose-18 has 36"),
    ([frame(1, ONE), frame(3, {"pose": [0.1] * 50, "score": [1] * 25})], "frame 3: 50 coordinates and 25 scores"),
    ([frame(2, {"pose": ["x"] * 36, "score": [1] * 18})], "frame 2: a person has no numeric pose and score"),
    ([frame(2, short(("pose",), 36))], "frame 2: a person has no numeric pose and score"),
    ([frame(1, ONE), frame(1, ONE)], "entry 1 of data has no skeleton, or no frame_index of its own"),
    ([frame(1, ONE), 7], "entry 1 of data has no skeleton"),
    ([{"skeleton": []}], "entry 0 of data has no skeleton"),
    ([frame(1, ONE), frame(10**9, ONE)], "frames are numbered 1 to 1000000000"),
]


@pytest.mark.parametrize(("frames", "said"), BROKEN)
def test_an_invalid_clip_is_one_line_that_names_it(tmp_path: Path, frames: Any, said: str) -> None:
    write_kinetics(tmp_path, {"good": [frame(1, ONE)], "abc": frames})
    with pytest.raises(DataError, match=rf"abc\.json: {said}") as caught:
        read_kinetics(tmp_path)
    assert "\n" not in str(caught.value)


def test_truncated_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"kinetics_train_label\.json: no such dataset file; give the folder"):
        read_kinetics(tmp_path)
    with pytest.raises(DataError, match="contains no clips"):
        read_kinetics(write_kinetics(tmp_path, {}))
    write_kinetics(tmp_path, {"abc": [frame(1, ONE)]})
    clip = tmp_path / "kinetics_val" / "abc.json"
    text = clip.read_text()
    for cut in ("", text[:-1], text[:40], "[" * 100_000, "[1, 2]", '{"frames": []}'):
        clip.write_text(cut)
        with pytest.raises(DataError, match=r"abc\.json"):
            read_kinetics(tmp_path)
    clip.unlink()
    with pytest.raises(DataError, match=r"abc\.json: no such file, but the label file says"):
        read_kinetics(tmp_path)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (7, "clip abc has no valid has_skeleton, label and label_index"),
        ({"has_skeleton": True, "label": "walk"}, "clip abc has no valid"),
        ({"has_skeleton": True, "label": "walk", "label_index": -1}, "clip abc has no valid"),
        ({"has_skeleton": True, "label": "walk", "label_index": 10_000}, "clip abc has no valid"),
        ({"has_skeleton": True, "label": "walk", "label_index": 0}, "label 0 is 'run' and, at clip abc, 'walk'"),
    ],
)
def test_a_label_file_that_contradicts_itself_is_refused(tmp_path: Path, about: Any, said: str) -> None:
    write_kinetics(tmp_path, {"first": [frame(1, ONE)], "abc": [frame(1, ONE)]})
    first = {"has_skeleton": True, "label": "run", "label_index": 0}
    (tmp_path / "kinetics_val_label.json").write_text(json.dumps({"first": first, "abc": about}))
    with pytest.raises(DataError, match=rf"kinetics_val_label\.json: {said}"):
        read_kinetics(tmp_path)
