"""The user's videos in folders: one subfolder a class, and how they part into training and test."""

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
    """name: path within the folder, with / between its parts; it names the video everywhere. part: "train",
    "test", or None where the folders do not say."""

    name: str
    label: str
    part: str | None = None


def find_videos(folder: Path) -> list[Video]:
    """Every video below ``folder``/CLASS/, or below its train/CLASS/ and test/CLASS/ where it holds these two alone.

    Raises DataError where the folder, subfolders or videos are missing, or where no class has two videos,
    of which one could train and the other test.
    """
    if not folder.is_dir():
        raise DataError("no such folder", where=folder, hint="give the folder of your videos, one subfolder a class")
    inside = _subfolders(folder)
    if not inside:
        raise DataError("no subfolders here", where=folder, hint="put the videos into one subfolder a class")
    parted = sorted(path.name for path in inside) == sorted(PARTS)
    classes = [(path, top.name) for top in inside for path in _subfolders(top)] if parted else [
        (path, None) for path in inside
    ]  # fmt: skip
    videos = [
        Video(path.relative_to(folder).as_posix(), kind.name, part)
        for kind, part in classes
        for path in video_files_in(kind)
    ]
    if not videos:
        raise DataError(
            "no videos in its subfolders", where=folder, hint=f"known endings are {' '.join(s[1:] for s in SUFFIXES)}"
        )
    labels = [video.label for video in videos]
    if max(map(labels.count, labels)) < 2:
        raise DataError(
            "no class has two videos, one to train and one to test", where=folder, hint="add videos of the same class"
        )
    return videos


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def split(videos: Sequence[Video], test_share: float) -> dict[str, bool]:
    """Whether a video trains, by name: as its folder says, else by rank of the SHA-256 of its name within its class.

    Of n videos of a class the first round(test_share * n) are for testing, at least one of two or more, and never
    all. So both parts have every class that allows it, the same videos always fall the same way, and one more
    video moves at most one other.
    """
    trains = {video.name: video.part == "train" for video in videos if video.part}
    for label in {video.label for video in videos}:
        names = [video.name for video in videos if video.label == label and not video.part]
        names.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        tested = min(max(round(test_share * len(names)), 1), len(names) - 1)
        trains |= {name: rank >= tested for rank, name in enumerate(names)}
    return trains
