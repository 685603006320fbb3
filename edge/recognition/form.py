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
from edge.recognition.recogniser import RecogniserConfig, open_recogniser, student_file
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
    reason = reason_for_clips(bundle, config, decisions)
    if config.form == "stream" and not has_stream(bundle, config.precision):
        raise ConfigError(
            f"{bundle.folder}: {reason}", hint="choose recogniser.form clip or auto, or export a student that streams"
        )
    streams = config.form == "stream" or reason is None
    return open_stream_recogniser(bundle, config) if streams else open_recogniser(bundle, config)


def reason_for_clips(bundle: Bundle, config: RecogniserConfig, decisions: DecisionConfig) -> str | None:
    """Why form auto runs this bundle on clips, as text; None if it runs the stream.

    The costs are those in the bundle, not this machine's, because a replay must give the same decisions everywhere.
    """
    form, precision = bundle.manifest.stream, config.precision
    if form is None or not has_stream(bundle, config.precision):
        return f"the bundle has no {precision} stream networks"
    if _only_clips_have_an_engine(bundle, config):
        return "the student has an engine, its stream has none"
    if (lost := _lost_points(bundle, form, precision)) is None:
        return f"the accuracy in {precision} was not measured on the same clips for both forms"
    if (budget := bundle.manifest.budget).violations(100, lost):
        return f"the stream loses {lost:.2f} points of top-1; the bundle's budget is {budget.max_top1_drop:g}"
    if (frames := form.frames_per_clip.get(precision)) is None:
        return f"the cost of a frame in {precision} was not measured"
    # Overestimates the cost of clips for a camera slower than the network when decisions are made every n frames.
    per_s = form.preprocessing.fps / decisions.stride_frames if decisions.stride_frames else decisions.hz
    if form.preprocessing.fps >= frames * per_s:
        return f"at {per_s:g} decisions per second clips cost less than {form.preprocessing.fps:g} frames"
    return None


def _only_clips_have_an_engine(bundle: Bundle, config: RecogniserConfig) -> bool:
    engines = [(bundle.folder / stream_file(period, config.precision)).with_suffix(".engine") for period in PERIODS]
    return student_file(bundle, config.precision).suffix == ".engine" and not any(path.is_file() for path in engines)


def _lost_points(bundle: Bundle, form: StreamForm, precision: str) -> float | None:
    """Points of top-1 by which the stream is worse than clips, on the same test clips; None if unknown."""
    try:
        clips, stream = bundle.manifest.accuracy, form.accuracy
        if clips["test_clips"] != stream["test_clips"]:
            return None
        return 100 * (float(clips[precision]["top1"]) - float(stream[precision]["top1"]))
    except (KeyError, TypeError, ValueError):
        return None
