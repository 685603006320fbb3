"""Streams of several people: frames at the network's rate, separate states, restarts after gaps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.contract.errors import ConfigError, EngineError
from edge.contract.layouts import layout
from edge.contract.preprocess import Preprocessing, clip_tensor
from edge.engines.engine import TensorSpec
from edge.recognition.streaming.frames import StreamedFrames
from edge.recognition.streaming.network import StreamNetwork
from edge.recognition.streaming.recogniser import StreamRecogniser

PENN = layout("penn-13")
HOW = Preprocessing(length_frames=16, fps=15.0, centre="trailing", max_gap_s=0.5)


def spec(name: str, *shape: int) -> TensorSpec:
    return TensorSpec(name, shape, np.dtype(np.float32))


class Summing:
    """A network whose only state is the sum of all frames; that of the longest period outputs it as logits."""

    def __init__(self, *, has_logits: bool, frames: int = 1) -> None:
        self.inputs = (spec("frame", 1, 3, frames, 13, 1), spec("sum", 1, 3))
        self.outputs = (*([spec("logits", 1, 3)] if has_logits else []), spec("sum.next", 1, 3))

    def describe(self) -> str:
        return "summing"

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        total = inputs["sum"] + inputs["frame"].sum(axis=(2, 3, 4))
        outputs = {"logits": total, "sum.next": total}
        return {s.name: outputs[s.name] for s in self.outputs}

    def close(self) -> None:
        self.is_closed = True


def network(frames: int = 1) -> StreamNetwork:
    periods = [period for period in (1, 2, 4) if period % frames == 0]
    return StreamNetwork({period: Summing(has_logits=period == 4, frames=frames) for period in periods})


def recording(seconds: float, fps: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    count = round(seconds * fps)
    times = (np.arange(count) + rng.uniform(-0.4, 0.4, count)) / fps
    keypoints = rng.uniform(50, 400, (count, 13, 3)).astype(np.float32)
    keypoints[..., 2] = rng.uniform(size=(count, 13)) > 0.3
    return keypoints, times


def streamed(keypoints: NDArray[np.float32], times: NDArray[np.float64]) -> list[NDArray[np.float32]]:
    frames = StreamedFrames(PENN, HOW)
    return [step[:, 0] for k, t in zip(keypoints, times, strict=True) for step in frames.push(k, float(t))[1]]


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), fps=st.floats(5, 40))
def test_the_first_frames_equal_the_clip_of_the_recording(seed: int, fps: float) -> None:
    keypoints, times = recording(1.5, fps, seed)
    given = streamed(keypoints, times)[:16]
    end_s = float(times[0]) + 15 / 15
    clip = clip_tensor([(keypoints, times)], PENN, HOW, end_s=end_s)[..., 0]
    np.testing.assert_allclose(np.stack(given, axis=1), clip, rtol=1e-4, atol=2e-3)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), fps=st.floats(5, 40), step_frames=st.sampled_from([2, 4]))
def test_grouped_frames_equal_single_frames(seed: int, fps: float, step_frames: int) -> None:
    keypoints, times = recording(4, fps, seed)
    times[len(times) // 2 :] += 1.0  # a gap that restarts the stream
    alone, grouped = (StreamedFrames(PENN, HOW, n) for n in (1, step_frames))
    one: list[NDArray[np.float32]] = []
    other: list[NDArray[np.float32]] = []
    for k, t in zip(keypoints, times, strict=True):
        for frames, emitted in ((alone, one), (grouped, other)):
            restarted, steps = frames.push(k, float(t))
            if restarted:
                del emitted[:]
            emitted += [frame for step in steps for frame in step.transpose(1, 0, 2)]
    assert len(one) - step_frames < len(other) <= len(one) and len(other) % step_frames == 0
    if other:
        np.testing.assert_allclose(np.stack(other), np.stack(one[: len(other)]), rtol=1e-4, atol=1e-3)


def test_only_the_last_clip_length_of_a_stream_counts() -> None:
    keypoints, times = np.ones((90, 13, 3), np.float32), np.arange(90) / 15
    keypoints[..., :2] = np.random.default_rng(0).uniform(0, 400, (90, 13, 2))
    given = streamed(keypoints, times)
    assert len(given) == 90
    clip = clip_tensor([(keypoints[-16:], times[-16:])], PENN, HOW)[..., 0]
    np.testing.assert_allclose(given[-1], clip[:, -1], atol=1e-3)


@pytest.mark.parametrize("fps", [2.0, 15.0, 29.97, 30.0, 60.0])
def test_frames_come_at_the_networks_rate_for_any_camera_rate(fps: float) -> None:
    keypoints = np.ones((round(4 * fps) + 1, 13, 3), np.float32)
    given = streamed(keypoints, 100 + np.arange(len(keypoints)) / fps)
    assert abs(len(given) - 61) <= 1


def test_memory_is_bounded_for_a_stream_of_any_length() -> None:
    frames = StreamedFrames(PENN, HOW)
    for body, time_s in zip(*recording(20, 30, seed=0), strict=True):
        frames.push(body, float(time_s))
    assert len(frames._entries) <= 4 and len(frames._past) < 16 and len(frames._raw) <= 3


def test_preprocessing_that_is_not_causal_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"preprocessing\.centre trailing"):
        StreamRecogniser(PENN, Preprocessing(), network())


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    present=st.lists(st.sets(st.integers(0, 2)), min_size=20, max_size=60),
    hop=st.sampled_from([1, 2, 4]),
)
def test_people_who_come_and_go_have_independent_streams(seed: int, present: list[set[int]], hop: int) -> None:
    rng = np.random.default_rng(seed)
    bodies = rng.uniform(50, 400, (len(present), 3, 13, 3)).astype(np.float32)
    together = StreamRecogniser(PENN, HOW, network(hop))
    shared = {n: together.new_stream() for n in range(3)}
    alone = {n: StreamRecogniser(PENN, HOW, network(hop)).new_stream() for n in range(3)}
    for frame, there in enumerate(present):
        for n in sorted(there):
            one, other = (stream.push(bodies[frame, n], frame / 15) for stream in (shared[n], alone[n]))
            assert (one is None) == (other is None)
            assert one is None or np.array_equal(one, other)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), before=st.integers(1, 12), gap_s=st.floats(0.51, 100))
def test_a_long_gap_restarts_the_stream(seed: int, before: int, gap_s: float) -> None:
    keypoints = np.random.default_rng(seed).uniform(50, 400, (before + 9, 13, 3)).astype(np.float32)
    times = np.arange(before + 9) / 15
    times[before:] += gap_s
    whole, after = (StreamRecogniser(PENN, HOW, network()).new_stream() for _ in range(2))
    outputs = [whole.push(k, float(t)) for k, t in zip(keypoints, times, strict=True)][before:]
    fresh = [after.push(k, float(t)) for k, t in zip(keypoints[before:], times[before:], strict=True)]
    assert [a is not None for a in fresh] == [n % 4 == 3 for n in range(9)]
    for one, other in zip(outputs, fresh, strict=True):
        assert (one is None and other is None) or np.allclose(one, other, atol=1e-4)


def test_a_short_gap_is_interpolated() -> None:
    keypoints, times = recording(2, 15, 0)
    times = np.arange(len(times)) / 15
    kept = np.ones(len(times), bool)
    kept[10:15] = False  # 0.4 s
    given = streamed(keypoints[kept], times[kept])
    assert len(given) == len(times)


def test_a_new_stream_starts_with_new_states() -> None:
    recogniser, body = StreamRecogniser(PENN, HOW, network()), np.ones((13, 3), np.float32)
    stream = recogniser.new_stream()
    for n in range(8):
        stream.push(body, n / 15)
    assert stream.fill == 0.5
    for n in range(8, 20):
        stream.push(body, n / 15)
    assert stream.fill == 1
    after = recogniser.new_stream()
    assert after.fill == 0
    outputs = [after.push(body, 1 + n / 15) for n in range(4)]
    assert [a is None for a in outputs] == [True, True, True, False]


def test_a_student_that_is_closed_closes_each_of_its_networks() -> None:
    engines = {period: Summing(has_logits=period == 4) for period in (1, 2, 4)}
    StreamRecogniser(PENN, HOW, StreamNetwork(engines)).close()
    assert all(engine.is_closed for engine in engines.values())


def test_a_cycle_that_ends_between_two_frames_of_a_slow_camera_counts() -> None:
    stream, body = StreamRecogniser(PENN, HOW, network()).new_stream(), np.ones((13, 3), np.float32)
    # Six new frames of the network each time, of cycles of four.
    outputs = [stream.push(body, 0.4 * n) for n in range(9)]
    assert [a is None for a in outputs] == [True] + [False] * 8


def test_networks_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(EngineError, match="no logits"):
        StreamNetwork({1: Summing(has_logits=False)})
    with pytest.raises(EngineError, match="does not fit"):
        StreamNetwork({1: Summing(has_logits=False, frames=1), 4: Summing(has_logits=True, frames=4)})
    with pytest.raises(EngineError, match="does not fit"):  # its states would change buffers out of step
        StreamNetwork({1: Summing(has_logits=False, frames=4), 4: Summing(has_logits=True, frames=4)})
    with pytest.raises(EngineError, match="with a period of 1 frames"):
        StreamNetwork({4: Summing(has_logits=True)})
    whole, more, larger, other, flat = (Summing(has_logits=n == 0) for n in range(5))
    more.inputs, more.outputs = (
        (*specs, spec(name, 1, 3)) for specs, name in ((more.inputs, "b"), (more.outputs, "b.next"))
    )
    larger.inputs, larger.outputs = (whole.inputs[0], spec("sum", 1, 4)), (spec("sum.next", 1, 4),)
    other.outputs = (spec("total", 1, 3),)
    flat.inputs = (spec("frame", 1, 39), spec("sum", 1, 3))
    alien = "is not a network of a stream"
    for engine, says in ((more, "lacks a state"), (larger, "does not fit"), (other, alien), (flat, alien)):
        with pytest.raises(EngineError, match=says):
            StreamNetwork({1: engine, 4: whole})


@pytest.mark.parametrize(
    ("frames", "says"), [(1, "clips of 6 frames end within a cycle"), (4, r"got \(1, 3, 2, 13, 1\)")]
)
def test_clips_that_end_within_a_cycle_or_a_step_are_refused(frames: int, says: str) -> None:
    with pytest.raises(EngineError, match=says):
        network(frames).logits(np.zeros((1, 3, 6, 13, 1), np.float32))


def test_logits_that_are_not_finite_raise_and_leave_the_stream_unchanged() -> None:
    stepping = network(4)
    stream = stepping.new_stream()
    with pytest.raises(EngineError, match="NaN or infinite"):
        stepping.step(stream, np.full((1, 3, 4, 13, 1), np.nan, np.float32))
    assert stream.frames == 0 and not stream.buffer("sum").any()
