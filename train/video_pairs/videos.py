"""Find the user's videos, one subfolder per class, and split them into training and test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.capture.video_file import SUFFIXES, video_files_in
from edge.contract.errors import DataError

PARTS = ("train", "test")


@dataclass(frozen=True)
class Video:
    """name: POSIX path relative to the folder; identifies the video. label: its class. part: "train", "test", or None
    if the folders do not say."""

    name: str
    label: str
    part: str | None = None


def find_videos(folder: Path) -> list[Video]:
    """Find all videos below ``folder``/CLASS/; or below train/CLASS/ and test/CLASS/ if these are the only subfolders.

    Raises DataError if the folder, subfolders or videos are missing, or if no class has two videos, one for training
    and one for testing.
    """
    if not folder.is_dir():
        raise DataError("no such folder", where=folder, hint="give the folder of your videos, one subfolder per class")
    inside = _subfolders(folder)
    if not inside:
        raise DataError("no subfolders here", where=folder, hint="put the videos into one subfolder per class")
    parted = {path.name for path in inside} == set(PARTS)
    tops = [(top.name, _subfolders(top)) for top in inside] if parted else [(None, inside)]
    classes = [(path, part) for part, paths in tops for path in paths]
    videos = [
        Video(path.relative_to(folder).as_posix(), kind.name, part)
        for kind, part in classes
        for path in video_files_in(kind)
    ]
    if not videos:
        raise DataError(
            "no videos in its subfolders", where=folder, hint=f"known suffixes are {' '.join(s[1:] for s in SUFFIXES)}"
        )
    labels = [video.label for video in videos]
    if max(map(labels.count, labels)) < 2:
        raise DataError(
            "no class has two videos, one for training and one for testing", where=folder, hint="add more videos"
        )
    return videos


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def split(videos: Sequence[Video], test_share: float) -> dict[str, bool]:
    """Map each name to whether the video is for training: as its folder says, else by its rank in the class.

    The rank is that of the SHA-256 of the name. Of n videos of a class the first round(test_share * n) are for testing,
    at least one of two or more, and never all. The split is therefore deterministic, both parts have every class with
    two videos, and adding a video moves at most one other.
    """
    trains = {video.name: video.part == "train" for video in videos}
    for label in {video.label for video in videos}:
        names = [video.name for video in videos if video.label == label and not video.part]
        names.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        tested = min(max(round(test_share * len(names)), 1), len(names) - 1)
        trains |= {name: rank >= tested for rank, name in enumerate(names)}
    return trains
