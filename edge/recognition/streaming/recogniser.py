"""Recognise actions frame by frame: each person has a stream, which gives probabilities when a cycle is complete."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edge.contract.bundle import STREAM_REFERENCE, Bundle
from edge.contract.errors import ConfigError
from edge.contract.layouts import JointLayout
from edge.contract.preprocess import Preprocessing
from edge.contract.types import Float32
from edge.recognition.clip_buffer import ClipBuffer
from edge.recognition.recogniser import Precision, RecogniserConfig, softmax
from edge.recognition.self_test import SelfTest, self_test
from edge.recognition.streaming.frames import StreamedFrames
from edge.recognition.streaming.network import PERIODS, Stream, StreamNetwork, open_stream, stream_file


@dataclass
class _Person:
    """last_s: time of the last keypoints pushed."""

    frames: StreamedFrames
    stream: Stream
    last_s: float | None = None


class StreamRecogniser:
    """Keeps a separate stream for each person; it starts again after a gap longer than ``max_gap_s``.

    Raises ConfigError for preprocessing that is not causal (``centre`` is not "trailing").
    """

    def __init__(
        self, layout: JointLayout, preprocessing: Preprocessing, network: StreamNetwork, name: str = "stream"
    ) -> None:
        if preprocessing.centre != "trailing":
            raise ConfigError(
                f"clips centred by {preprocessing.centre} cannot be streamed: this needs later frames",
                hint="train the student with --data.pairs.preprocessing.centre trailing",
            )
        self._layout, self._preprocessing, self._network, self._name = layout, preprocessing, network, name
        self._people: dict[int, _Person] = {}

    @property
    def cycle_frames(self) -> int:
        """Frames from one output of probabilities to the next."""
        return self._network.cycle_frames

    @property
    def network_s(self) -> float:
        return self._network.network_s

    def describe(self) -> str:
        return f"{self._name}, {self._network.describe()}"

    def advance(self, track_id: int, buffer: ClipBuffer) -> Float32 | None:
        """Push what the buffer received since the last call. Returns (K,) probabilities if it completes a cycle.

        The latest are returned if it completes several. A new person starts with all keypoints in the buffer: they may
        be from before the track was confirmed, or from before this recogniser was opened again.
        """
        person, probabilities = self._people.get(track_id), None
        for time_s, keypoints in buffer.since(None if person is None else person.last_s):
            latest = self.push(track_id, keypoints, time_s)
            probabilities = probabilities if latest is None else latest
        return probabilities

    def push(self, track_id: int, keypoints: Float32, time_s: float) -> Float32 | None:
        """(K,) probabilities if keypoints (V, 3) complete a cycle; the latest if they complete several."""
        person = self._people.get(track_id)
        if person is None:
            frames = StreamedFrames(self._layout, self._preprocessing, self._network.frames)
            person = self._people[track_id] = _Person(frames, self._network.new_stream())
        restarted, steps = person.frames.push(keypoints, time_s)
        person.last_s = time_s
        if restarted:
            person.stream = self._network.new_stream()
        probabilities = None
        for step in steps:
            logits = self._network.step(person.stream, step[None, ..., None])
            probabilities = probabilities if logits is None else softmax(logits[None])[0]
        return probabilities

    def fill(self, track_id: int) -> float:
        """Part of a clip's length that the person's stream has processed, 0..1."""
        person = self._people.get(track_id)
        return 0.0 if person is None else min(1.0, person.stream.frames / self._preprocessing.length_frames)

    def keep(self, track_ids: Collection[int]) -> None:
        """Drop the streams of everybody else."""
        self._people = {track_id: person for track_id, person in self._people.items() if track_id in track_ids}

    def self_test(self, bundle: Bundle) -> SelfTest:
        """Run the bundle's reference clips. Raises BundleError if they do not fit the network."""
        return self_test(bundle, STREAM_REFERENCE, self._network.logits)

    def require_agreement(self, bundle: Bundle) -> None:
        """Raise EngineError if the self-test shows that these networks are not the bundle's."""
        self.self_test(bundle).require(self.describe())

    def close(self) -> None:
        self._network.close()


def has_stream(bundle: Bundle, precision: Precision) -> bool:
    """Whether the bundle's student streams in this precision."""
    named = {stream_file(period, precision) for period in PERIODS} & set(bundle.manifest.files)
    return bundle.manifest.stream is not None and bool(named)


def open_stream_recogniser(bundle: Bundle, config: RecogniserConfig) -> StreamRecogniser:
    """The bundle's streaming networks, with their checksums verified.

    Raises BundleError for altered files, EngineError if the bundle has no such networks, ConfigError for preprocessing
    that normalises frames by later ones.
    """
    for name in (stream_file(period, config.precision) for period in PERIODS):
        if name in bundle.manifest.files:
            bundle.file(name)
    # A step is so small that a second thread costs more than it saves.
    network = open_stream(bundle.folder, config.precision, threads=config.threads or 1)
    form, manifest = bundle.manifest.stream, bundle.manifest
    preprocessing = manifest.preprocessing if form is None else form.preprocessing
    return StreamRecogniser(bundle.layout, preprocessing, network, f"{manifest.name}, {len(manifest.classes)} classes")
