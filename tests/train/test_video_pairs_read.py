"""Reading pairs from videos: timestamps count."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from edge.contract.errors import DataError
from edge.contract.layouts import layout
from train.data.clip import SkeletonClip
from train.data.readers.video_pairs import read_video_pairs
from train.video_pairs.manifest import FILE, Manifest, pair_file, write_manifest

JOINTS = len(layout("penn-13"))
SPEED_PX_S = 100.0


def read(folder: Path, times_s: np.ndarray, frames: int | None = None, *, missed: Any = ()) -> SkeletonClip:
    """Pairs of a person who walks at constant speed, in frames with these timestamps.

    missed: index of keypoints that the good estimator does not find.
    """
    poses = np.ones((len(times_s), JOINTS, 3), np.float32)
    poses[..., 0] = SPEED_PX_S * times_s[:, None] + np.arange(JOINTS)
    high = poses.copy()
    if missed:
        high[missed] = 0
    pair_file(folder, "walk/1.mp4").parent.mkdir(parents=True)
    np.savez(pair_file(folder, "walk/1.mp4"), times_s=times_s, high=high, low=poses)
    write_manifest(
        folder,
        Manifest(
            settings={}, classes=["walk"], layouts={"high": "penn-13", "low": "penn-13"}, versions={}, split="by hand",
            subject="the only one", finished=True,
            videos={"walk/1.mp4": {"class": "walk", "train": True, "frames": frames or len(times_s)}},
        ),
    )  # fmt: skip
    return read_video_pairs(folder).clips[0]


def test_a_steady_walk_stays_steady_at_a_variable_frame_rate(tmp_path: Path) -> None:
    # One second of 30 frames, then two seconds of 15 each; the first frame need not be at 0.
    clip = read(tmp_path, 5 + np.concatenate([np.arange(30) / 30, 1 + np.arange(31) / 15]))
    assert clip.fps == pytest.approx(60 / 3) and clip.low is not None and clip.low.fps == clip.fps
    for recording in (clip, clip.low):
        assert recording.seen.all()
        steps = np.diff(recording.joints[0, :, :, 0], axis=0)
        np.testing.assert_allclose(steps, SPEED_PX_S / clip.fps, atol=1e-2)


def test_frames_at_a_nearly_constant_rate_are_not_resampled(tmp_path: Path) -> None:
    times_s = np.arange(60) / 30 + np.random.default_rng(0).uniform(-0.2, 0.2, 60) / 30
    clip = read(tmp_path, times_s)
    np.testing.assert_array_equal(clip.joints[0, :, 0, 0], (SPEED_PX_S * times_s).astype(np.float32))


def test_a_joint_that_an_estimator_missed_is_unseen(tmp_path: Path) -> None:
    clip = read(tmp_path, np.arange(9) / 30, missed=(4, 2))
    assert np.argwhere(~clip.seen).tolist() == [[0, 4, 2]] and clip.low is not None and clip.low.seen.all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"layouts": {"high": "penn-13", "low": "other-3"}}, "layouts must be high and low, each one of penn-13, "),
        ({"layouts": {"high": "penn-13"}}, "layouts must be high and low, each one of penn-13, "),
        ({"layouts": {"high": "penn-13", "low": ["penn-13"]}}, r"layouts.low must be text, not \[penn-13\];"),
        ({"format": 2}, "not of format 1;"),
        ({"versions": None}, "versions must be a mapping, not null;"),
        ({"finished": 1}, "finished must be true or false, not 1;"),
        ({"classes": 3}, "classes must be a list, not 3;"),
        ({"videos": {"a.mp4": {"class": "walk", "train": 2, "frames": 9}}}, "videos.a.mp4 has no valid train;"),
        ({"videos": {"a.mp4": {"class": "walk", "train": True}}}, "videos.a.mp4 has no valid frames;"),
        (
            {"videos": {"a.mp4": {"class": "fly", "train": True, "frames": 9}}},
            "'fly', the class of a.mp4, is not",
        ),
    ],
)
def test_a_wrong_value_in_the_manifest_is_refused_with_its_key(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    read(tmp_path, np.arange(9) / 30)
    path = tmp_path / FILE
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    with pytest.raises(DataError, match=rf"{FILE}: {says}"):
        read_video_pairs(tmp_path)


@pytest.mark.parametrize("times_s", [[0, 0.1, 0.05, 0.2], [0, 0.1, 0.1, 0.2], [0, 0.1, np.inf]])
def test_timestamps_that_do_not_increase_are_refused(tmp_path: Path, times_s: list[float]) -> None:
    with pytest.raises(DataError, match=r"1\.mp4\.npz: its times do not increase; remove it"):
        read(tmp_path, np.array(times_s))


@pytest.mark.parametrize(("found", "recorded"), [(4, 5), (1, 1)])
def test_pairs_of_one_frame_or_of_another_number_than_recorded_are_refused(
    tmp_path: Path, found: int, recorded: int
) -> None:
    said = rf"it has {found} frames, in pairs\.yaml {recorded}; remove it and run make pairs again"
    with pytest.raises(DataError, match=said):
        read(tmp_path, np.arange(found) / 30, frames=recorded)
