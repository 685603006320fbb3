"""Which form of the student the loop runs: a whole clip at each decision, or frame after frame."""

from __future__ import annotations

from edge.contract.bundle import Bundle
from edge.contract.errors import ConfigError
from edge.contract.manifest import StreamForm
from edge.recognition.decisions import DecisionConfig
from edge.recognition.recogniser import Recogniser, RecogniserConfig, open_recogniser, student_file
from edge.recognition.streaming.network import DUE, stream_file
from edge.recognition.streaming.recogniser import StreamRecogniser, has_stream, open_stream_recogniser

Student = Recogniser | StreamRecogniser
"""In the one form or the other."""


def open_student(bundle: Bundle, config: RecogniserConfig, decisions: DecisionConfig) -> Student:
    """The bundle's student in the form that ``config`` asks for. Raises what opening it raises, and ConfigError
    where a stream is asked for and the bundle holds none of that precision."""
    if config.form == "clip" or config.network is not None:
        return open_recogniser(bundle, config)
    lacks = why_not(bundle, config, decisions)
    if config.form == "stream" and not has_stream(bundle, config.precision):
        raise ConfigError(
            f"{bundle.folder}: {lacks}", hint="choose recogniser.form clip or auto, or export a student that streams"
        )
    streams = config.form == "stream" or lacks is None
    return open_stream_recogniser(bundle, config) if streams else open_recogniser(bundle, config)


def why_not(bundle: Bundle, config: RecogniserConfig, decisions: DecisionConfig) -> str | None:
    """Why the loop would not stream this bundle of itself, in words; None where it would.

    What the forms cost is taken from the bundle, not from the machine: a recording must be decided alike wherever it
    is played again.
    """
    form, precision = bundle.manifest.stream, config.precision
    if form is None or not has_stream(bundle, config.precision):
        return f"the bundle has no {precision} networks of a stream"
    if _is_engine_of_clips_alone(bundle, config):
        return "an engine was built of the student, and none of its stream"
    if (lost := _lost_points(bundle, form, precision)) is None:
        return f"the accuracy of both forms in {precision} is not known from the same clips"
    if (budget := bundle.manifest.budget).violations(100, lost):
        return f"streamed, it loses {lost:.2f} points of top-1, and the bundle's budget is {budget.max_top1_drop:g}"
    if (frames := form.frames_per_clip.get(precision)) is None:
        return f"what a frame costs in {precision} was not measured"
    # A camera that is slower than the network, with a stride in its frames, would make clips cheaper than this says.
    per_s = form.preprocessing.fps / decisions.stride_frames if decisions.stride_frames else decisions.hz
    if form.preprocessing.fps >= frames * per_s:
        return f"at {per_s:g} decisions a second, clips cost less than {form.preprocessing.fps:g} frames"
    return None


def _is_engine_of_clips_alone(bundle: Bundle, config: RecogniserConfig) -> bool:
    engines = [(bundle.folder / stream_file(due, config.precision)).with_suffix(".engine") for due in DUE]
    return student_file(bundle, config.precision).suffix == ".engine" and not any(path.is_file() for path in engines)


def _lost_points(bundle: Bundle, form: StreamForm, precision: str) -> float | None:
    """Points of top-1 that the stream lies below the student, on the same test clips; None where that is unknown."""
    try:
        of_clips, of_stream = bundle.manifest.accuracy, form.accuracy
        if of_clips["test_clips"] != of_stream["test_clips"]:
            return None
        return 100 * (float(of_clips[precision]["top1"]) - float(of_stream[precision]["top1"]))
    except (KeyError, TypeError, ValueError):
        return None
