"""Labelled videos, one subfolder a class, through the loop: one answer a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from edge.bench.loop_run import loop_run
from edge.capture.video_file import SUFFIXES, video_files_in
from edge.cli.console import console
from edge.contract.bundle import Bundle
from edge.contract.errors import DataError
from edge.contract.types import Float32, FrameResult
from edge.loop.config import RunConfig


def labelled_videos(folder: Path, bundle: Bundle) -> tuple[list[Path], NDArray[np.int64]]:
    """Videos and labels (N,), the subfolders' names being classes of the bundle. Raises DataError for anything else."""
    if not folder.is_dir():
        raise DataError("no such folder", where=folder, hint="give the folder with one subfolder of videos a class")
    classes = bundle.manifest.classes
    videos: list[Path] = []
    labels: list[int] = []
    for subfolder in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if subfolder.name not in classes:
            raise DataError(
                f"{subfolder.name} is no class of {bundle.manifest.name}",
                where=folder,
                hint=f"name its subfolders after classes: {', '.join(classes)}",
            )
        found = video_files_in(subfolder)
        videos += found
        labels += [classes.index(subfolder.name)] * len(found)
    if not videos:
        raise DataError(
            "no videos in its subfolders", where=folder, hint=f"known endings are {', '.join(s[1:] for s in SUFFIXES)}"
        )
    return videos, np.array(labels)


class Answer:
    """Collects, over one video, what is said of the person who is decided about longest.

    Their probabilities are averaged over the frames in which a decision stood; of two people decided about equally
    long the one who came first counts.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._frames: dict[int, int] = {}

    def add(self, result: FrameResult) -> None:
        """One more frame of the video."""
        for person in result.people:
            if person.action is not None:
                known = self._sums.setdefault(person.track_id, np.zeros(self._classes))
                known += person.action.probabilities
                self._frames[person.track_id] = self._frames.get(person.track_id, 0) + 1

    def probabilities(self) -> Float32:
        """(K,), NaN where nobody was decided about."""
        if not self._frames:
            return np.full(self._classes, np.nan, np.float32)
        longest = max(self._frames, key=lambda track_id: (self._frames[track_id], -track_id))
        return (self._sums[longest] / self._frames[longest]).astype(np.float32)


def answers(
    videos: Sequence[Path], students: Sequence[RunConfig], recordings: Path, classes: int
) -> list[tuple[str, Float32]]:
    """For each of ``students``, which differ in the student alone, what ran and (N, K) probabilities of the videos.

    The first runs the whole loop over each video; what its pose stage saw is recorded in the folder ``recordings``,
    and played to the others, so that all of them judge the same poses.
    """
    found: list[list[Float32]] = [[] for _ in students]
    ran = [""] * len(students)
    for video in track(videos, "videos", console=console, disable=not console.is_terminal, transient=True):
        record = recordings / "poses.jsonl"
        for number, student in enumerate(students):
            if number == 0:
                config = replace(student, source=str(video), record=record)
            else:
                config = replace(student, source=f"replay://{record}")
            answer = Answer(classes)
            ran[number] = loop_run(config, 0, answer.add).parts["student"]
            found[number].append(answer.probabilities())
    return [(name, np.stack(rows)) for name, rows in zip(ran, found, strict=True)]
