"""Whole runs of train pairs: partial failure, interruption and resumption."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
import pytest
import yaml

from edge.contract.errors import ConfigError, DataError, OutputError
from edge.pose.registry import PoseConfig
from train.data.configuration import DataConfig
from train.data.pairs import PairConfig, PairDataset
from train.data.registry import read_dataset
from train.video_pairs.command import PairsConfig, make_pairs
from train.video_pairs.estimate import VideoResult
from train.video_pairs.follow import FollowConfig
from train.video_pairs.manifest import FILE, pair_file, read_manifest
from train.video_pairs.two_estimators import TwoEstimators
from train.video_pairs.workers import Job, SharedState, process_videos


@pytest.fixture(scope="module")
def videos(shared_data: Path, blazepose_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos of real people, four frames each, in two classes, and a file that is not a video."""
    folder = tmp_path_factory.mktemp("videos")
    for label, source in (("gym", "felixchenfy_exercise.avi"), ("stand", "streamposeml_example.webm")):
        (folder / label).mkdir()
        capture = cv2.VideoCapture(str(shared_data / "media" / source))
        for n in range(2):
            path = folder / label / f"{n}.avi"
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (320, 240))
            for _ in range(4):
                writer.write(cv2.resize(capture.read()[1], (320, 240), interpolation=cv2.INTER_AREA))
            writer.release()
        capture.release()
    (folder / "gym" / "broken.avi").write_bytes(np.random.default_rng(0).bytes(5000))
    return folder


def command(videos: Path, out: Path, *more: str) -> list[str]:
    flags = ("--high.max_people", "1", "--low.max_people", "1", "--low_height", "120", "--workers", "1", *more)
    return [sys.executable, "-m", "train", "pairs", "--videos", str(videos), "--out", str(out), *flags]


def run(videos: Path, out: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(videos, out, *more), capture_output=True, text=True, check=False)


class Crashing(TwoEstimators):
    """Estimators whose libraries crash."""

    def open(self) -> NoReturn:
        os._exit(9)


@dataclass(frozen=True)
class Marking(TwoEstimators):
    """Estimators that leave a file where they are opened."""

    mark: Path

    def open(self) -> NoReturn:
        self.mark.touch()
        raise NotImplementedError


def test_a_video_whose_process_crashes_fails_alone(videos: Path, tmp_path: Path) -> None:
    how, video = (PoseConfig(max_people=1), PoseConfig(max_people=1), 120), videos / "stand" / "0.avi"
    jobs = [
        Job(name, video, pair_file(tmp_path, name), estimators(*how), FollowConfig(), fps=None)
        for name, estimators in (("first", Crashing), ("second", TwoEstimators))
    ]
    found = dict(filter(None, process_videos(jobs, 1, SharedState())))
    assert found["first"] == "the process that read it crashed"
    assert isinstance(found["second"], VideoResult) and found["second"].frames == 4


def test_a_stopped_run_repeats_no_further_video_after_a_crash(tmp_path: Path) -> None:
    """Each would start a process."""
    crashing = Crashing(PoseConfig(), PoseConfig(), 120)
    jobs = [Job(str(n), tmp_path, tmp_path / f"{n}.npz", crashing, FollowConfig(), None) for n in range(20)]
    shared, began = SharedState(), time.monotonic()
    results = (result for result in process_videos(jobs, 1, shared) if result is not None)
    assert next(results)[1] == "the process that read it crashed"
    two_processes_s = time.monotonic() - began
    shared.stop.set()
    assert not list(results) and time.monotonic() - began < 3 * two_processes_s


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (320, 240))
    for _ in range(2000):
        writer.write(np.zeros((240, 320, 3), np.uint8))
    writer.release()
    return path


@pytest.mark.usefixtures("blazepose_files")
def test_a_stopped_run_abandons_a_video_at_the_next_frame_and_opens_no_more(long_video: Path, tmp_path: Path) -> None:
    how, shared = (PoseConfig(max_people=1), PoseConfig(max_people=1), 120), SharedState()
    marks = [tmp_path / str(n) for n in range(6)]
    estimators = [TwoEstimators(*how), *(Marking(*how, mark) for mark in marks)]
    jobs = [
        Job(str(n), long_video, tmp_path / "a.npz", each, FollowConfig(), None) for n, each in enumerate(estimators)
    ]
    for result in process_videos(jobs, 1, shared):
        assert result is None
        if shared.frames.value:
            shared.stop.set()
    assert 0 < shared.frames.value < 1000 and not jobs[0].out.exists()
    assert not marks[-1].exists(), "only those that the process held already were opened"


def test_an_error_that_is_not_a_videos_stops_the_run_within_a_video(
    videos: Path, long_video: Path, tmp_path: Path
) -> None:
    (tmp_path / "stand").write_text("a file where a folder should be")
    estimators = TwoEstimators(PoseConfig(max_people=1), PoseConfig(max_people=1), 120)
    jobs = [
        Job(path.stem, path, pair_file(tmp_path, f"stand/{path.name}"), estimators, FollowConfig(), None)
        for path in (videos / "stand" / "0.avi", long_video)
    ]
    shared = SharedState()
    with pytest.raises(OutputError, match=r"stand.*cannot be written"):
        list(process_videos(jobs, 1, shared))
    assert shared.frames.value < 1000, "the long video was abandoned"


@pytest.fixture(scope="module")
def pairs(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """A run that was killed after the first video, then interrupted, and the command that finished it."""
    out = tmp_path_factory.mktemp("pairs")
    for stop, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        there = len(list(out.rglob("*.npz")))
        with subprocess.Popen(
            command(videos, out), stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            while len(list(out.rglob("*.npz"))) == there:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(stop)
            assert process.stderr is not None
            said = process.stderr.read()  # until no process can write to it any more
        assert process.returncode == code and "Traceback" not in said
        for path in out.rglob("*.npz"):
            os.utime(path, (1, 1))
    assert "interrupted; the same command resumes" in said and not read_manifest(out).finished
    return out, run(videos, out)


def test_a_broken_video_is_named_and_counted_and_does_not_stop_the_others(
    pairs: tuple[Path, "subprocess.CompletedProcess[str]"],
) -> None:
    out, said = pairs
    assert said.returncode == 1 and "Traceback" not in said.stderr
    assert "failed: gym/broken.avi: not a readable video" in said.stderr
    assert "4 of 5 videos" in said.stderr and "1 failed" in said.stderr
    manifest = read_manifest(out)
    assert manifest.finished and list(manifest.failed) == ["gym/broken.avi"] and len(manifest.videos) == 4
    assert not [path.name for path in out.rglob("*.partial*")]


def test_a_killed_run_resumes(pairs: tuple[Path, "subprocess.CompletedProcess[str]"]) -> None:
    files = list(pairs[0].rglob("*.npz"))
    assert len(files) == 4 and 2 <= [path.stat().st_mtime for path in files].count(1) < 4, "some were there already"
    for name, entry in read_manifest(pairs[0]).videos.items():
        with np.load(pair_file(pairs[0], name)) as pair:
            counted = [int(pair[side][..., 2].any(axis=1).sum()) for side in ("high", "low")]
        assert [entry["frames"], entry["seen"], entry["matched"]] == [4, *counted], name


def test_the_pairs_are_a_dataset_of_two_recorded_qualities(
    pairs: tuple[Path, "subprocess.CompletedProcess[str]"],
) -> None:
    data = read_dataset(DataConfig("video_pairs", pairs[0]))
    assert data.classes == ("gym", "stand") and (data.layout, data.low_layout) == ("blazepose-33", "blazepose-33")
    assert sorted(clip.id for clip in data.clips) == ["gym/0.avi", "gym/1.avi", "stand/0.avi", "stand/1.avi"]
    assert [len(data.part(train)) for train in (True, False)] == [2, 2]
    stand = next(clip for clip in data.clips if clip.id == "stand/0.avi")
    assert stand.fps == pytest.approx(25) and stand.low is not None
    both = stand.seen & stand.low.seen
    assert both.sum() > 40
    apart = np.linalg.norm(stand.joints - stand.low.joints, axis=-1)[both]
    # The same pixels, although the cheap estimator saw half of the rows.
    assert 0 < np.median(apart) < 8
    low, high, _ = PairDataset(data, PairConfig(layout="penn-13"), train=False, seed=0).batch(np.arange(2))
    assert not np.array_equal(low, high)


def test_other_settings_and_damaged_pairs_are_refused(
    pairs: tuple[Path, "subprocess.CompletedProcess[str]"], videos: Path, tmp_path: Path
) -> None:
    other = PairsConfig(
        videos, pairs[0], PoseConfig(max_people=1), PoseConfig(max_people=1), 120, FollowConfig(max_distance=0.5)
    )
    with pytest.raises(ConfigError, match=r"made with another follow\.max_distance; give another --out"):
        make_pairs(other)
    with pytest.raises(ConfigError, match=r"made with another pictures\.fps; give another --out"):
        make_pairs(replace(other, follow=FollowConfig(), fps=12.0))
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(pairs[0]), str(copy)], check=True)
    raw = yaml.safe_load((copy / FILE).read_text())
    (copy / FILE).write_text(yaml.safe_dump(raw | {"finished": False}))
    with pytest.raises(DataError, match="not finished; run make pairs again"):
        read_dataset(DataConfig("video_pairs", copy))
    (copy / FILE).write_text(yaml.safe_dump(raw | {"settings": 3}))
    with pytest.raises(DataError, match="settings must be a mapping, not 3"):
        make_pairs(replace(other, out=copy))
    (copy / FILE).write_text(yaml.safe_dump(raw))
    np.savez(pair_file(copy, "gym/0.avi"), times_s=np.arange(3.0), high=np.zeros((3, 33, 3)), low=np.zeros((4, 33, 3)))
    with pytest.raises(DataError, match=r"low is float64 of shape \(4, 33, 3\).*run make pairs again"):
        read_dataset(DataConfig("video_pairs", copy))
    (copy / FILE).write_text("videos: [")
    with pytest.raises(DataError, match="not readable as YAML"):
        read_dataset(DataConfig("video_pairs", copy))
    with pytest.raises(DataError, match=r"pairs\.yaml is missing"):
        read_dataset(DataConfig("video_pairs", tmp_path / "nowhere"))


def test_a_run_processes_only_as_many_frames_as_it_is_told(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "stand").symlink_to(videos / "stand")
    how = PoseConfig(max_people=1)
    make_pairs(PairsConfig(tmp_path / "videos", tmp_path / "out", how, how, 120, fps=12.5, workers=1))
    assert [entry["frames"] for entry in read_manifest(tmp_path / "out").videos.values()] == [2, 2]
    assert np.load(pair_file(tmp_path / "out", "stand/0.avi"))["times_s"] == pytest.approx([0, 2 / 25])


HOLDER = """
import sys
from pathlib import Path
from train.lock_file import exclusive
from train.video_pairs.command import LOCK
with exclusive(Path(sys.argv[1]) / LOCK, Path(sys.argv[1]), "`train pairs`"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_one_run_at_a_time_makes_pairs(pairs: tuple[Path, "subprocess.CompletedProcess[str]"], videos: Path) -> None:
    out, root = pairs[0], Path(__file__).resolve().parents[2]
    config = PairsConfig(videos, out, PoseConfig(max_people=1), PoseConfig(max_people=1), 120, workers=1)
    words, before = [sys.executable, "-c", HOLDER, str(out)], (out / FILE).read_bytes()
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(
            OutputError, match="another `train pairs` is running here; wait until it ends, or give another path"
        ):
            make_pairs(config)
        assert (out / FILE).read_bytes() == before
        other.communicate("end\n")
    changed = videos / "stand" / "0.avi"
    changed.write_bytes(changed.read_bytes() + b"more")
    with pytest.raises(SystemExit) as left:
        make_pairs(config)
    assert left.value.code == 1 and not list(out.glob("*.lock"))  # one video is broken
    assert np.load(pair_file(out, "stand/0.avi"))["video_bytes"] == changed.stat().st_size


def test_an_unusable_cuda_engine_is_one_line_and_nothing_is_written(videos: Path, tmp_path: Path) -> None:
    said = run(videos, tmp_path / "out", "--high.engine", "cuda")
    assert said.returncode == 2 and not (tmp_path / "out").exists()
    assert said.stderr.count("\n") == 1 and "engine cuda runs .onnx files only" in said.stderr
