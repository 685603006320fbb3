"""NW-UCLA: JSON files in the real format, with made-up numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.contract.errors import DataError
from edge.contract.layouts import layout
from train.data.readers.nw_ucla import read_nw_ucla

# The Kinect SDK's order of joints (NUI_SKELETON_POSITION_INDEX), in this package's names.
SDK_ORDER = (
    "hip_centre spine shoulder_centre head left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow "
    "right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot"
)


def write(folder: Path, name: str, skeletons: Any, **more: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"file_name": name, "skeletons": skeletons, "label": 1, **more}))
    return path


def skeletons(frames: int = 3) -> list[Any]:
    points: list[Any] = np.random.default_rng(0).uniform(0.1, 2, (frames, 20, 3)).round(4).tolist()
    return points


def test_clips_are_split_by_view_and_labelled_by_their_names(tmp_path: Path) -> None:
    for name in ("a01_s01_e00_v01", "a06_s02_e00_v02", "a08_s03_e01_v03", "a12_s10_e04_v03"):
        write(tmp_path / "all_sqe", name, skeletons())
    data = read_nw_ucla(tmp_path)
    assert [(data.classes[clip.label], clip.train) for clip in data.clips] == [
        ("pick_up_with_one_hand", True), ("stand_up", True), ("donning", False), ("carry", False)]  # fmt: skip
    assert len(data.classes) == 10 and data.layout == "kinect-20"


def test_joints_are_reordered_from_the_sensor_with_x_to_the_right(tmp_path: Path) -> None:
    points = skeletons()
    write(tmp_path, "a01_s01_e00_v01", points)
    (clip,) = read_nw_ucla(tmp_path).clips
    assert clip.joints.shape == (1, 3, 20, 3) and clip.seen.all()
    for joint in layout("kinect-20").joints:
        x, y, z = points[1][SDK_ORDER.split().index(joint)]
        assert clip.joints[0, 1, layout("kinect-20").joints.index(joint)] == pytest.approx([-x, y, z])


def test_nan_and_zero_joints_are_unseen(tmp_path: Path) -> None:
    points = skeletons()
    points[0][3], points[2][0][1] = [0, 0, 0], float("nan")
    points[1][3][0] = 0  # straight ahead of the sensor
    write(tmp_path, "a01_s01_e00_v01", points)
    (clip,) = read_nw_ucla(tmp_path).clips
    head, hips = layout("kinect-20").index("head", "hip_centre")
    assert not clip.seen[0, 0, head] and not clip.seen[0, 2, hips] and clip.seen.sum() == clip.seen.size - 2


BROKEN: list[tuple[Any, str]] = [
    ([], r"skeletons is float64 of shape \(0,\), not numbers of shape \(frames, 20, 3\)"),
    ([[[1.0, 2.0, 3.0]] * 25] * 4, r"skeletons is float64 of shape \(4, 25, 3\)"),
    ([[[[1.0, 2.0, 3.0]] * 20] * 3] * 4, r"skeletons is float64 of shape \(4, 3, 20, 3\)"),  # three bodies
    ([[[1.0, 2.0, 3.0]] * 20, [[1.0, 2.0, 3.0]] * 19], r"skeletons are not \[frames\]\[20\]\[3\] numbers"),
    ([[["a", 2.0, 3.0]] * 20], r"skeletons are not \[frames\]\[20\]\[3\] numbers"),
    ({"0": 1}, r"skeletons are not \[frames\]\[20\]\[3\] numbers"),
]


@pytest.mark.parametrize(("points", "said"), BROKEN)
def test_an_invalid_clip_is_one_line_that_names_it(tmp_path: Path, points: Any, said: str) -> None:
    write(tmp_path, "a01_s01_e00_v01", points)
    with pytest.raises(DataError, match=rf"a01_s01_e00_v01\.json: {said}") as caught:
        read_nw_ucla(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_clip_without_a_seen_joint_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a01_s01_e00_v01", [[[0, 0, 0]] * 20] * 4)
    with pytest.raises(DataError, match="clip a01_s01_e00_v01: no joint is ever seen"):
        read_nw_ucla(tmp_path)


def test_truncated_missing_and_oddly_named_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file such as a01_s01_e00_v01\.json .*the folder with these files"):
        read_nw_ucla(tmp_path)
    path = write(tmp_path, "a01_s01_e00_v01", skeletons())
    path.write_text(path.read_text()[:200])
    with pytest.raises(DataError, match=r"a01_s01_e00_v01\.json: not readable as JSON"):
        read_nw_ucla(tmp_path)
    path.write_text('{"file_name": "a01_s01_e00_v01"}')
    with pytest.raises(DataError, match="the file lacks 'skeletons'"):
        read_nw_ucla(tmp_path)
    # The dataset has no action 7, and three views.
    for name in ("a07_s01_e00_v01", "a01_s01_e00_v04", "a01_s01_e0x_v01"):
        path = path.rename(tmp_path / f"{name}.json")
        with pytest.raises(DataError, match="the name is not that of an action and a view of NW-UCLA; actions are 1,"):
            read_nw_ucla(tmp_path)
