"""Choose the form of the student: clips (a whole clip for each decision) or stream (frame by frame)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from edge.contract.bundle import Bundle
from edge.contract.errors import ConfigError
from edge.contract.manifest import StreamForm
from edge.contract.types import Float32
from edge.recognition.clip_buffer import ClipBuffer
from edge.recognition.decisions import DecisionConfig
from edge.recognition.recogniser import Precision, RecogniserConfig, open_recogniser, precision_of, student_file
from edge.recognition.self_test import SelfTest
from edge.recognition.streaming.network import PERIODS, stream_file
from edge.recognition.streaming.recogniser import has_stream, open_stream_recogniser


class Student(Protocol):
    """A student of either form, as the loop runs it.

    every_frame: whether it must read every frame, or only those with which a decision is due.
    network_s: seconds spent inside networks so far.
    read: (track id, part of a clip's length that is known of this person, 0..1, new probabilities (K,) if there are
        any) of each person asked about. buffers: of these, and of the others in view of whom enough is known.
        end_s: end of the period of time that the decision is about.
    """

    every_frame: bool

    @property
    def network_s(self) -> float: ...

    def describe(self) -> str: ...

    def read(
        self, buffers: Mapping[int, ClipBuffer], asked: Sequence[int], end_s: float
    ) -> Iterator[tuple[int, float, Float32 | None]]: ...

    def self_test(self, bundle: Bundle) -> SelfTest: ...

    def close(self) -> None: ...


def open_student(bundle: Bundle, config: RecogniserConfig, decisions: DecisionConfig) -> Student:
    """The bundle's student in the form that ``config`` asks for.

    Raises what opening it raises, and ConfigError if the bundle has no stream of that precision and ``config`` requires
    one.
    """
    if config.form == "clip" or config.network is not None:
        return open_recogniser(bundle, config)
    precision = precision_of(bundle, config)
    if config.form == "stream" and not has_stream(bundle, precision):
        raise ConfigError(
            f"{bundle.folder}: the bundle has no {precision} stream networks",
            hint="make them with `python -m train export-stream` and `python -m calibrate stream`, or choose "
            "recogniser.form clip or auto",
        )
    streams = config.form == "stream" or _stream_is_better(bundle, precision, decisions)
    return open_stream_recogniser(bundle, config) if streams else open_recogniser(bundle, config)


def _stream_is_better(bundle: Bundle, precision: Precision, decisions: DecisionConfig) -> bool:
    """Whether the bundle's stream is within the bundle's accuracy budget of clips, and costs less than they do.

    The costs are those in the bundle, not this machine's, because a replay must give the same decisions everywhere.
    """
    form = bundle.manifest.stream
    if form is None or not has_stream(bundle, precision) or _only_clips_have_an_engine(bundle, precision):
        return False
    lost = _lost_points(bundle, form, precision)
    if lost is None or bundle.manifest.budget.violations(100, lost):
        return False
    # Overestimates the cost of clips for a camera slower than the network when decisions are made every n frames.
    per_s = form.preprocessing.fps / decisions.stride_frames if decisions.stride_frames else decisions.hz
    return form.preprocessing.fps < form.frames_per_clip.get(precision, 0.0) * per_s


def _only_clips_have_an_engine(bundle: Bundle, precision: Precision) -> bool:
    engines = [(bundle.folder / stream_file(period, precision)).with_suffix(".engine") for period in PERIODS]
    return student_file(bundle, precision).suffix == ".engine" and not any(path.is_file() for path in engines)


def _lost_points(bundle: Bundle, form: StreamForm, precision: Precision) -> float | None:
    """Points of top-1 by which the stream is worse than clips, on the same test clips; None if unknown."""
    try:
        clips, stream = bundle.manifest.accuracy, form.accuracy
        if clips["test_clips"] != stream["test_clips"]:
            return None
        return 100 * (float(clips[precision]["top1"]) - float(stream[precision]["top1"]))
    except (KeyError, TypeError, ValueError):
        return None
