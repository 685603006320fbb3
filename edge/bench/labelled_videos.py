"""Run labelled videos, one subfolder per class, through the loop: one prediction per video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bench.accuracy_figures import Predictions
from edge.bench.loop_run import loop_run
from edge.capture.video_file import SUFFIXES, video_files_in
from edge.cli.progress_bar import track
from edge.contract.bundle import Bundle
from edge.contract.errors import DataError
from edge.contract.types import Float32, FrameResult
from edge.loop.config import RunConfig


def labelled_videos(folder: Path, bundle: Bundle) -> tuple[list[Path], NDArray[np.int64]]:
    """Videos and labels (N,). Raises DataError unless the subfolders are named after classes of the bundle."""
    if not folder.is_dir():
        raise DataError("no such folder", where=folder, hint="give the folder with one subfolder of videos per class")
    classes = bundle.manifest.classes
    videos: list[Path] = []
    labels: list[int] = []
    for subfolder in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if subfolder.name not in classes:
            raise DataError(
                f"{subfolder.name} is not a class of {bundle.manifest.name}",
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


class VideoPrediction:
    """Accumulates the prediction of one video: that for the person with decisions in the most frames.

    The probabilities are averaged over those frames. Ties go to the person who was tracked first.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._frames: dict[int, int] = {}

    def add(self, result: FrameResult) -> None:
        for person in result.people:
            if person.action is not None:
                total = self._sums.setdefault(person.track_id, np.zeros(self._classes))
                total += person.action.probabilities
                self._frames[person.track_id] = self._frames.get(person.track_id, 0) + 1

    def probabilities(self) -> Float32:
        """(K,), NaN if there were no decisions."""
        if not self._frames:
            return np.full(self._classes, np.nan, np.float32)
        longest = max(self._frames, key=lambda track_id: (self._frames[track_id], -track_id))
        return (self._sums[longest] / self._frames[longest]).astype(np.float32)


def predict_videos(
    videos: Sequence[Path], students: Sequence[RunConfig], recordings: Path, classes: int
) -> list[Predictions]:
    """The probabilities (N, K) of each of ``students``, runs that differ only in the student.

    The first one runs the whole loop over each video and records the poses in the folder ``recordings``. The others
    replay them, so that all students see the same poses.
    """
    probabilities: list[list[Float32]] = [[] for _ in students]
    names = [""] * len(students)
    for video in track(videos, "videos", len(videos)):
        record = recordings / "poses.jsonl"
        for number, student in enumerate(students):
            if number == 0:
                config = replace(student, source=str(video), record=record)
            else:
                config = replace(student, source=f"replay://{record}")
            prediction = VideoPrediction(classes)
            names[number] = loop_run(config, 0, prediction.add).parts["student"]
            probabilities[number].append(prediction.probabilities())
    return [Predictions(name, np.stack(rows)) for name, rows in zip(names, probabilities, strict=True)]
