"""Everybody's streams: keypoints of people as they come in, probabilities whenever a cycle is complete."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from edge.contract.bundle import STREAM_REFERENCE, Bundle
from edge.contract.layouts import JointLayout
from edge.contract.preprocess import Preprocessing
from edge.contract.types import Float32
from edge.recognition.clip_buffer import ClipBuffer
from edge.recognition.recogniser import Precision, RecogniserConfig, softmax
from edge.recognition.self_test import SelfTest, self_test
from edge.recognition.streaming.frames import StreamedFrames
from edge.recognition.streaming.network import DUE, Stream, StreamNetwork, open_stream, stream_file


@dataclass
class _Person:
    """seen_s: when the person was last seen, as far as this stream knows."""

    frames: StreamedFrames
    stream: Stream
    seen_s: float | None = None
    waiting: list[Float32] = field(default_factory=list)


class StreamRecogniser:
    """Keeps each person's states, and nothing of one in another's.

    A person who comes begins with fresh states, and so does one who was unseen for longer than ``max_gap_s``.
    Whoever is not kept is forgotten. Raises ConfigError where the preprocessing cannot be streamed.
    """

    def __init__(self, layout: JointLayout, how: Preprocessing, network: StreamNetwork, name: str = "stream") -> None:
        StreamedFrames(layout, how)
        self._layout, self._how, self._network, self._name = layout, how, network, name
        self._people: dict[int, _Person] = {}

    @property
    def cycle_frames(self) -> int:
        """Frames from one answer to the next."""
        return self._network.cycle_frames

    @property
    def network_s(self) -> float:
        return self._network.network_s

    def describe(self) -> str:
        return f"{self._name}, {self._network.describe()}"

    def advance(self, track_id: int, seen: ClipBuffer) -> Float32 | None:
        """(K,) probabilities where what was seen since the last call completes a cycle, the newest of several.

        Somebody who is not known yet is caught up with, as far back as the buffer reaches: they were in view before
        they counted, or before this recogniser was opened anew.
        """
        person, answer = self._people.get(track_id), None
        for time_s, keypoints in seen.since(None if person is None else person.seen_s):
            newest = self.push(track_id, keypoints, time_s)
            answer = answer if newest is None else newest
        return answer

    def push(self, track_id: int, keypoints: Float32, time_s: float) -> Float32 | None:
        """(K,) probabilities where keypoints (V, 3) complete a cycle, the newest where they complete several."""
        person = self._people.get(track_id)
        if person is None:
            person = self._people[track_id] = self._newcomer()
        anew, frames = person.frames.push(keypoints, time_s)
        person.seen_s = time_s
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

    def _newcomer(self) -> _Person:
        return _Person(StreamedFrames(self._layout, self._how, self._network.frames), self._network.fresh())

    def fill(self, track_id: int) -> float:
        """How much of a clip's length the person has been seen for, 0..1."""
        person = self._people.get(track_id)
        return 0.0 if person is None else min(1.0, person.stream.frames / self._how.length_frames)

    def keep(self, track_ids: Collection[int]) -> None:
        """Forget everybody else."""
        self._people = {track_id: person for track_id, person in self._people.items() if track_id in track_ids}

    def self_test(self, bundle: Bundle) -> SelfTest:
        """Run the bundle's reference clips. Raises BundleError where those do not fit the network."""
        return self_test(bundle, STREAM_REFERENCE, self._network.logits)

    def require_agreement(self, bundle: Bundle) -> None:
        """Raises EngineError where the self-test shows that these networks are not the bundle's stream."""
        self.self_test(bundle).require(self.describe())

    def close(self) -> None:
        self._network.close()


def has_stream(bundle: Bundle, precision: Precision) -> bool:
    """Whether the bundle's student streams in this precision."""
    named = {stream_file(due, precision) for due in DUE} & set(bundle.manifest.files)
    return bundle.manifest.stream is not None and bool(named)


def open_stream_recogniser(bundle: Bundle, config: RecogniserConfig) -> StreamRecogniser:
    """The bundle's networks for streaming, checked, around which nobody is known yet.

    Raises BundleError for altered files, EngineError where the bundle holds no such networks, ConfigError where
    frames would be normalised by later ones.
    """
    for name in (stream_file(due, config.precision) for due in DUE):
        if name in bundle.manifest.files:
            bundle.file(name)
    # One thread: so little is computed in a step that sharing it costs more than it saves.
    network = open_stream(bundle.folder, config.precision, threads=config.threads or 1)
    form, manifest = bundle.manifest.stream, bundle.manifest
    how = manifest.preprocessing if form is None else form.preprocessing
    return StreamRecogniser(bundle.layout, how, network, f"{manifest.name}, {len(manifest.classes)} classes")
