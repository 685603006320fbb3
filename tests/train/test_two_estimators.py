"""Two estimators over one video: how they are opened and recorded, and the pair that they give."""

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.contract.errors import ConfigError, DataError
from edge.contract.layouts import layout
from edge.contract.types import Pose
from edge.pose.registry import PoseConfig
from train.video_pairs.command import PairsConfig
from train.video_pairs.estimate import VideoResult, estimate_video
from train.video_pairs.follow import FollowConfig
from train.video_pairs.two_estimators import Downscaled, TwoEstimators

PENN = layout("penn-13")


class SameTwice:
    """An estimator that finds the same person in every frame, all but one joint, ``apart`` pixels from where it is."""

    layout, network_s = PENN, 0.0

    def __init__(self, apart: float) -> None:
        self.pose = np.arange(3.0 * len(PENN), dtype=np.float32).reshape(-1, 3) + 1
        self.pose[:, 0] += apart
        self.pose[3] = 0
        self.times_s: list[float | None] = []

    def estimate(self, image: object, time_s: float | None = None) -> list[Pose]:
        self.times_s.append(time_s)
        return [Pose(self.pose, 1.0)]


def film(path: Path, frames: int, fps: float) -> Path:
    written = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for _ in range(frames):
        written.write(np.zeros((48, 64, 3), np.uint8))
    written.release()
    return path


def test_equal_estimators_need_different_frame_heights() -> None:
    same = PoseConfig(), PoseConfig()
    assert TwoEstimators(*same, None).height == 144 and TwoEstimators(*same, 200).height == 200
    with pytest.raises(ConfigError, match="both estimators would see the same"):
        _ = TwoEstimators(*same, 0).height
    assert TwoEstimators(PoseConfig(engine="openvino"), PoseConfig(threads=2), None).height == 144
    assert all(TwoEstimators(PoseConfig("trt_pose"), PoseConfig(), height).height == 0 for height in (None, 0))
    with pytest.raises(ConfigError, match="low_height is -1; give a number in"):
        PairsConfig(Path("videos"), Path("out"), low_height=-1)


def test_an_estimator_of_small_frames_sees_averages_of_areas_and_its_poses_are_scaled_back() -> None:
    seen: list[tuple[Any, object]] = []

    class Corner:
        layout, network_s = PENN, 0.25

        def estimate(self, image: Any, time_s: float | None = None) -> list[Pose]:
            seen.append((image, time_s))
            return [Pose(np.array([[image.shape[1], image.shape[0], 0.5]], np.float32), 0.9)]

    corner: Any = Corner()
    cheaper, stripes = Downscaled(corner, 50), np.zeros((100, 301, 3), np.uint8)
    stripes[::2] = 200
    (pose,) = cheaper.estimate(stripes, 1.5)
    assert seen[-1][0].shape == (50, 150, 3) and (seen[-1][0] == 100).all() and seen[-1][1] == 1.5
    np.testing.assert_allclose(pose.keypoints, [[301, 100, 0.5]], rtol=1e-6)
    for rows, columns, width in ((50, 301, 301), (100, 1, 1)):
        cheaper.estimate(stripes[:rows, :columns])
        assert seen[-1][0].shape == (50, width, 3)
    assert cheaper.layout is PENN and cheaper.network_s == 0.25


def test_both_estimators_are_opened_with_one_thread_and_the_cheap_one_for_small_frames_if_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[PoseConfig] = []
    monkeypatch.setattr(
        "train.video_pairs.two_estimators.open_estimator", lambda how: opened.append(how) or SameTwice(0)
    )
    high, low = TwoEstimators(PoseConfig(threads=4), PoseConfig(threads=4), 120).open()
    assert [how.threads for how in opened] == [1, 1]
    assert isinstance(high, SameTwice) and isinstance(low, Downscaled)
    assert isinstance(TwoEstimators(PoseConfig("trt_pose"), PoseConfig(), None).open()[1], SameTwice)


def test_the_record_names_the_network_and_the_engine_of_each_estimator(tmp_path: Path) -> None:
    recorded = TwoEstimators(PoseConfig("trt_pose", engine="cuda"), PoseConfig(threads=3), None).settings()
    assert recorded["high"]["network"] == "pose_resnet18_body.onnx" and recorded["high"]["engine"] == "cuda"
    assert recorded["low"]["network"] == "blazepose_full.tflite" and recorded["low"]["engine"] == "auto"
    assert recorded["high"]["sha256"] != recorded["low"]["sha256"]
    assert recorded["low"]["height"] == 0 and "threads" not in recorded["low"]
    (tmp_path / "own.onnx").write_bytes(b"own")
    own = TwoEstimators(PoseConfig(network=tmp_path / "own.onnx"), PoseConfig(), 100).settings()
    assert (own["high"]["network"], own["high"]["sha256"]) == ("own.onnx", hashlib.sha256(b"own").hexdigest())
    assert own["low"]["height"] == 100


@pytest.mark.parametrize(("fps", "taken"), [(None, 5), (31.0, 5), (40.0, 5), (15.0, 3), (14.0, 2)])
def test_a_pair_has_every_kth_frame_of_both_estimators(tmp_path: Path, fps: float | None, taken: int) -> None:
    both: Any = (good := SameTwice(0), poor := SameTwice(1))
    video, out, frames = film(tmp_path / "0.avi", 5, 31.0), tmp_path / "0.npz", list[None]()
    found = estimate_video(video, out, both, FollowConfig(), fps, lambda: frames.append(None))
    assert found == VideoResult(taken, taken, taken) and len(frames) == taken
    pair = np.load(out)
    step = {5: 1, 3: 2, 2: 3}[taken]
    np.testing.assert_allclose(pair["times_s"], np.arange(5)[::step] / 31, atol=1e-3)
    assert good.times_s == poor.times_s == pair["times_s"].tolist()
    assert (pair["high"] == good.pose).all() and (pair["low"] == poor.pose).all()
    assert pair["size"].tolist() == [64, 48] and pair["video_bytes"] == video.stat().st_size


def test_a_video_of_one_frame_or_of_nobody_gives_no_pair(tmp_path: Path) -> None:
    nobody, both = SameTwice(0), (SameTwice(0), SameTwice(0))
    nobody.pose[:, 2] = 0
    for frames, estimators, says in ((1, both, "fewer than two frames"), (2, (nobody, both[1]), "finds nobody in it")):
        given: Any = estimators
        with pytest.raises(DataError, match=says):
            video = film(tmp_path / "0.avi", frames, 15.0)
            estimate_video(video, tmp_path / "0.npz", given, FollowConfig(), None, lambda: None)
    assert not (tmp_path / "0.npz").exists()


def test_a_video_that_is_removed_while_it_is_read_gives_its_pair(tmp_path: Path) -> None:
    video = film(tmp_path / "0.avi", 4, 15.0)
    video_bytes = video.stat().st_size
    both: Any = (SameTwice(0), SameTwice(0))
    found = estimate_video(video, tmp_path / "0.npz", both, FollowConfig(), None, lambda: video.unlink(missing_ok=True))
    assert (found.frames, found.seen) == (4, 4)
    assert np.load(tmp_path / "0.npz")["video_bytes"] == video_bytes
