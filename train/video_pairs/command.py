"""``python -m train pairs``: run a good and a cheap pose estimator over the user's own videos."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import edge
from edge.cli.console import console
from edge.cli.exit_codes import FAILED
from edge.cli.interruption import interruptible
from edge.cli.progress_bar import ProgressBar
from edge.contract.errors import DataError
from edge.contract.files import wrap_write_errors
from edge.contract.intervals import require_in
from edge.contract.reading import read_npz
from edge.machine import package_version
from edge.pose.registry import PoseConfig
from train.lock_file import exclusive
from train.video_pairs.estimate import VideoResult, result_of
from train.video_pairs.follow import FollowConfig
from train.video_pairs.manifest import Manifest, check_same_settings, pair_file, write_manifest
from train.video_pairs.two_estimators import TwoEstimators
from train.video_pairs.videos import Video, find_videos, split
from train.video_pairs.workers import Job, SharedState, process_videos
from train.worker_pool import wrap_lock_errors

LOCK = "pairs.lock"
SUBJECT = "the track of the good estimator with the largest sum of body heights; see train/video_pairs/follow.py"


@dataclass(frozen=True)
class PairsConfig:
    """Run a good and a cheap pose estimator over your own videos, in one subfolder per class.

    The same command resumes an interrupted run.
    """

    videos: Path
    """Folder with one subfolder per class, or with train/ and test/ that each have one subfolder per class."""
    out: Path
    """Folder to write: one .npz per video, and pairs.yaml. Read it with --data.dataset video_pairs --data.folder."""
    high: PoseConfig = field(default_factory=PoseConfig)
    """The good estimator, whose skeletons the teacher sees. With a GPU: --high.name trt_pose --high.engine cuda."""
    low: PoseConfig = field(default_factory=PoseConfig)
    """The cheap estimator, whose skeletons the student sees: the one that the device will run."""
    low_height: int | None = None
    """Height in pixels to which frames are scaled for the cheap estimator, 0 for the original. Unset: the original, or
    144 if both estimators are the same."""
    follow: FollowConfig = field(default_factory=FollowConfig)
    """How the person of a pair is chosen and matched."""
    fps: float | None = None
    """Process about this many frames per second at most; unset for all. The device's clips have 15."""
    test_share: float = 0.25
    """Share of each class's videos for testing, chosen by a hash of their names. Ignored where there are train/ and
    test/."""
    workers: int = 0
    """Processes with one CPU thread each; 0 for one per core. With --high.engine cuda each process holds the network in
    GPU memory."""

    def __post_init__(self) -> None:
        require_in(self, test_share="(0, 1)", fps="(0, inf]", low_height="[0, inf)", workers="[0, inf)")


def make_pairs(config: PairsConfig) -> None:
    """Process all videos. Exits with 1 if some failed, with 130 or 143 if interrupted.

    Raises DataError for missing videos, ConfigError and EngineError for estimators that cannot be opened, OutputError.
    """
    videos = find_videos(config.videos)
    estimators = TwoEstimators(config.high, config.low, config.low_height)
    layouts = _open_once(estimators)
    settings = {**estimators.settings(), "follow": asdict(config.follow), "pictures": {"fps": config.fps}}
    check_same_settings(config.out, settings)
    how = f"{100 * config.test_share:g} % of each class test, by a hash of the file names"
    if any(video.part for video in videos):
        how = "by folders train and test"
    manifest = Manifest(settings, sorted({video.label for video in videos}), layouts, _versions(), how, SUBJECT)
    with wrap_write_errors(config.out):
        config.out.mkdir(parents=True, exist_ok=True)
    # Two runs would process every video twice, and the first to end would report that all are done.
    with exclusive(config.out / LOCK, config.out, "`train pairs`"):
        _make_all(videos, estimators, manifest, config)


def _open_once(estimators: TwoEstimators) -> dict[str, str]:
    """Print what the estimators run on and close them: each worker opens its own. Returns the layouts' names."""
    opened = dict(zip(("high", "low"), estimators.open(), strict=True))
    for quality, estimator in opened.items():
        console.print(f"{quality}: {estimator.describe()}")
        estimator.close()
    return {quality: estimator.layout.name for quality, estimator in opened.items()}


def _make_all(videos: list[Video], estimators: TwoEstimators, manifest: Manifest, config: PairsConfig) -> None:
    """Make the pairs, write the manifest and print a summary."""
    write_manifest(config.out, manifest)
    done, failed, signum = _process_all(videos, estimators, config)
    trains = split([video for video in videos if video.name in done], config.test_share)
    entries = {
        video.name: {"class": video.label, "train": trains[video.name], **asdict(done[video.name])}
        for video in videos
        if video.name in done
    }
    write_manifest(config.out, replace(manifest, finished=not signum, videos=entries, failed=failed))
    for name, error in failed.items():
        console.print(f"failed: {name}: {error}")
    seen, matched = (sum(getattr(one, key) for one in done.values()) for key in ("seen", "matched"))
    found = f"; the cheap estimator found the person in {100 * matched / seen:.1f} % of {seen} frames" if seen else ""
    console.print(f"{len(done)} of {len(videos)} videos in {config.out}, {len(failed)} failed{found}")
    if signum:
        console.print("interrupted; the same command resumes")
        raise SystemExit(128 + signum)
    if failed:
        raise SystemExit(FAILED)


def _process_all(
    videos: list[Video], estimators: TwoEstimators, config: PairsConfig
) -> tuple[dict[str, VideoResult], dict[str, str], int]:
    """Results by video, errors by failed video, and the signal that stopped the run, or 0."""
    done: dict[str, VideoResult] = {}
    failed: dict[str, str] = {}
    jobs = []
    for name in (video.name for video in videos):
        source, pair = config.videos / name, pair_file(config.out, name)
        if earlier := _earlier_result(source, pair):
            done[name] = earlier
        else:
            jobs.append(Job(name, source, pair, estimators, config.follow, config.fps))
    with wrap_lock_errors():
        shared = SharedState()
    with interruptible() as noted, ProgressBar(console) as progress:
        bar = progress.add_task("videos", total=len(videos), completed=len(done), status="")
        for result in process_videos(jobs, min(config.workers or os.cpu_count() or 1, max(len(jobs), 1)), shared):
            if noted.signum:
                shared.stop.set()
            if result is not None:
                name, outcome = result
                if isinstance(outcome, str):
                    failed[name] = outcome
                else:
                    done[name] = outcome
            elapsed = progress.tasks[bar].elapsed or 0.0
            rate = shared.frames.value / elapsed if elapsed else 0.0
            status = f"{rate:.1f} frames/s" + (f", {len(failed)} failed" if failed else "")
            progress.update(bar, completed=len(done) + len(failed), status=status)
    return done, failed, noted.signum


def _earlier_result(video: Path, pair: Path) -> VideoResult | None:
    """The result of an earlier run; None if there is none, or if the video has changed since."""
    if not pair.is_file():
        return None
    try:
        arrays = read_npz(pair, DataError, "make the pairs again", ("video_bytes", "high", "low"))
        if int(arrays["video_bytes"]) != video.stat().st_size:
            return None
        return result_of(arrays["high"], arrays["low"])
    except (DataError, TypeError, ValueError, IndexError):
        return None


def _versions() -> dict[str, str]:
    packages = ("numpy", "opencv-python", "onnxruntime", "onnxruntime-gpu", "openvino", "ai-edge-litert")
    found = {package: version for package in packages if (version := package_version(package)) is not None}
    return {"skd-edge": edge.__version__, **found}
