"""Everybody's streams: keypoints of people as they come in, probabilities whenever a cycle is complete."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from edge.contract.bundle import Bundle
from edge.contract.layouts import JointLayout
from edge.contract.preprocess import Preprocessing
from edge.contract.types import Float32
from edge.recogniser import RecogniserConfig, softmax
from edge.streaming.frames import StreamedFrames
from edge.streaming.network import DUE, Stream, StreamNetwork, open_stream, stream_file


@dataclass
class _Person:
    frames: StreamedFrames
    stream: Stream
    waiting: list[Float32] = field(default_factory=list)


class StreamRecogniser:
    """Keeps each person's states, and nothing of one in another's.

    A person who comes begins with fresh states, and so does one who was unseen for longer than ``max_gap_s``.
    Whoever is not kept is forgotten. Raises ConfigError where the preprocessing cannot be streamed.
    """

    def __init__(self, layout: JointLayout, how: Preprocessing, network: StreamNetwork) -> None:
        StreamedFrames(layout, how)
        self._layout, self._how, self._network = layout, how, network
        self._people: dict[int, _Person] = {}

    @property
    def network_s(self) -> float:
        return self._network.network_s

    def push(self, track_id: int, keypoints: Float32, time_s: float) -> Float32 | None:
        """(K,) probabilities where keypoints (V, 3) complete a cycle, the newest where they complete several."""
        person = self._people.get(track_id)
        if person is None:
            person = self._people[track_id] = _Person(StreamedFrames(self._layout, self._how), self._network.fresh())
        anew, frames = person.frames.push(keypoints, time_s)
        if anew:
            person.stream, person.waiting = self._network.fresh(), []
        answer = None
        for frame in frames:
            person.waiting.append(frame)
            if len(person.waiting) == self._network.frames:
                together = np.stack(person.waiting, axis=1)[None, ..., None]
                person.waiting = []
                logits = self._network.step(person.stream, together)
                answer = answer if logits is None else softmax(logits[None])[0]
        return answer

    def fill(self, track_id: int) -> float:
        """How much of a clip's length the person has been seen for, 0..1."""
        person = self._people.get(track_id)
        return 0.0 if person is None else min(1.0, person.stream.frames / self._how.length_frames)

    def keep(self, track_ids: Collection[int]) -> None:
        """Forget everybody else."""
        self._people = {track_id: person for track_id, person in self._people.items() if track_id in track_ids}

    def close(self) -> None:
        self._network.close()


def open_stream_recogniser(bundle: Bundle, config: RecogniserConfig) -> StreamRecogniser:
    """The bundle's networks for streaming, checked, around which nobody is known yet.

    Raises BundleError for altered files, EngineError where the bundle holds no such networks, ConfigError where its
    clips are normalised by later frames.
    """
    for name in (stream_file(due, config.precision) for due in DUE):
        if name in bundle.manifest.files:
            bundle.file(name)
    network = open_stream(bundle.folder, config.precision, threads=config.threads)
    return StreamRecogniser(bundle.layout, bundle.manifest.preprocessing, network)
