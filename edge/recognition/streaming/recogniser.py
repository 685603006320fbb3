"""Recognise actions frame by frame: each person has a stream, which gives probabilities when a cycle is complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from weakref import WeakKeyDictionary

from edge.contract.bundle import STREAM_REFERENCE, Bundle
from edge.contract.errors import ConfigError
from edge.contract.layouts import JointLayout
from edge.contract.preprocess import Preprocessing
from edge.contract.types import Float32
from edge.recognition.clip_buffer import ClipBuffer
from edge.recognition.recogniser import Precision, RecogniserConfig, precision_of, softmax
from edge.recognition.self_test import SelfTest, self_test
from edge.recognition.streaming.frames import StreamedFrames
from edge.recognition.streaming.network import PERIODS, StreamNetwork, open_stream, stream_file


class PersonStream:
    """The stream of one person; it starts again after a gap longer than ``max_gap_s``."""

    def __init__(self, layout: JointLayout, preprocessing: Preprocessing, network: StreamNetwork) -> None:
        self._frames = StreamedFrames(layout, preprocessing, network.frames)
        self._network, self._stream = network, network.new_stream()
        self._length_frames = preprocessing.length_frames
        self._last_s: float | None = None

    @property
    def fill(self) -> float:
        """Part of a clip's length that the stream has processed, 0..1."""
        return min(1.0, self._stream.frames / self._length_frames)

    def advance(self, buffer: ClipBuffer) -> Float32 | None:
        """Push what the buffer received since the last call, at first all of it. Returns what :meth:`push` does.

        It may hold keypoints from before the track was confirmed, or from before the networks were opened again.
        """
        probabilities = None
        for time_s, keypoints in buffer.since(self._last_s):
            latest = self.push(keypoints, time_s)
            probabilities = probabilities if latest is None else latest
        return probabilities

    def push(self, keypoints: Float32, time_s: float) -> Float32 | None:
        """(K,) probabilities if keypoints (V, 3) complete a cycle; the latest if they complete several."""
        restarted, steps = self._frames.push(keypoints, time_s)
        self._last_s = time_s
        if restarted:
            self._stream = self._network.new_stream()
        probabilities = None
        for step in steps:
            logits = self._network.step(self._stream, step[None, ..., None])
            probabilities = probabilities if logits is None else softmax(logits[None])[0]
        return probabilities


class StreamRecogniser:
    """Gives each person a stream of their own. See :class:`edge.recognition.form.Student`.

    Raises ConfigError for preprocessing that is not causal (``centre`` is not "trailing").
    """

    every_frame = True

    def __init__(
        self, layout: JointLayout, preprocessing: Preprocessing, network: StreamNetwork, name: str = "stream"
    ) -> None:
        if preprocessing.centre != "trailing":
            raise ConfigError(
                f"clips centred by {preprocessing.centre} cannot be streamed: this needs later frames",
                hint="train the student with --data.pairs.preprocessing.centre trailing",
            )
        self._layout, self._preprocessing, self._network, self._name = layout, preprocessing, network, name
        # A stream ends with its person's buffer.
        self._streams: WeakKeyDictionary[ClipBuffer, PersonStream] = WeakKeyDictionary()

    @property
    def cycle_frames(self) -> int:
        """Frames from one output of probabilities to the next."""
        return self._network.cycle_frames

    @property
    def network_s(self) -> float:
        return self._network.network_s

    def describe(self) -> str:
        return f"{self._name}, {self._network.describe()}"

    def new_stream(self) -> PersonStream:
        """The stream of a new person."""
        return PersonStream(self._layout, self._preprocessing, self._network)

    def read(
        self, buffers: Mapping[int, ClipBuffer], asked: Sequence[int], end_s: float
    ) -> Iterator[tuple[int, float, Float32 | None]]:
        """Of each person the frames since the last call. Probabilities are the latest, and come with whole cycles."""
        for track_id in asked:
            buffer = buffers[track_id]
            stream = self._streams.get(buffer)
            if stream is None:
                stream = self._streams[buffer] = self.new_stream()
            probabilities = stream.advance(buffer)
            yield track_id, stream.fill, probabilities

    def self_test(self, bundle: Bundle) -> SelfTest:
        """Run the bundle's reference clips. Raises BundleError if they do not fit the network."""
        return self_test(bundle, STREAM_REFERENCE, self._network.logits)

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
    precision = precision_of(bundle, config)
    for name in (stream_file(period, precision) for period in PERIODS):
        if name in bundle.manifest.files:
            bundle.file(name)
    # A step is so small that a second thread costs more than it saves.
    network = open_stream(bundle.folder, precision, threads=config.threads or 1)
    form, manifest = bundle.manifest.stream, bundle.manifest
    preprocessing = manifest.preprocessing if form is None else form.preprocessing
    return StreamRecogniser(bundle.layout, preprocessing, network, f"{manifest.name}, {len(manifest.classes)} classes")
