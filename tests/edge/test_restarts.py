"""The restart budget, with a fake clock."""

import numpy as np
import pytest
from parts import IMAGE

from edge.contract.errors import ConfigError, DeviceLostError, StageError
from edge.contract.layouts import layout
from edge.contract.types import Frame, Pose
from edge.loop.pose_stage import EstimatorStage
from edge.loop.restarts import Restartable, RestartConfig


class Estimator:
    """Takes its answers from a list: an exception is raised, a number fills the keypoints of one body."""

    layout = layout("penn-13")
    network_s = 0.0

    def __init__(self, answers, log):
        self.answers, self.log = answers, log
        log.append("open")

    def describe(self):
        return "test estimator"

    def estimate(self, image, time_s=None):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [Pose(np.full((13, 3), answer, np.float32), 0.9)]

    def close(self):
        self.log.append("close")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def stage(answers, config=None, clock=None):
    log, warnings = [], []
    restarted = Restartable(
        "pose",
        lambda: Estimator(answers, log),
        config or RestartConfig(2, 10.0),
        warnings.append,
        clock=clock or Clock(),
    )
    return EstimatorStage(restarted), restarted, log, warnings


def estimate(stage, n=0):
    return stage.estimate(Frame(n, n / 30, IMAGE))


def test_a_failure_is_reported_and_the_next_frame_goes_to_a_reopened_estimator():
    pose, _, log, warnings = stage([1.0, RuntimeError("out of memory"), 1.0])
    first, second, third = (estimate(pose, n) for n in range(3))
    assert first.failure is None and third.failure is None and len(third.poses) == 1
    assert second.failure == "pose: out of memory" and second.poses == ()
    assert log == ["open", "close", "open"]
    assert warnings == ["the pose stage failed and is restarted (1 of 2 within 10 s): out of memory"]


def test_an_estimator_that_fails_to_close_is_a_warning_and_reopened(monkeypatch):
    pose, _, log, warnings = stage([RuntimeError("out of memory"), 1.0])
    monkeypatch.setattr(Estimator, "close", lambda estimator: 1 / 0)
    assert estimate(pose).failure == "pose: out of memory" and estimate(pose).failure is None
    assert warnings[0] == "the pose stage does not close: division by zero" and log == ["open", "open"]


def test_a_lost_gpu_ends_the_run_at_once_and_nothing_on_it_is_closed():
    """Opening another engine in the same process would crash in TensorRT."""
    pose, _, log, warnings = stage([DeviceLostError("the GPU failed: launch failure", hint="start again")])
    with pytest.raises(StageError, match=r"^the pose stage cannot go on: the GPU failed: launch failure; start again$"):
        estimate(pose)
    assert log == ["open"] and warnings == []


def test_nan_keypoints_are_a_failure_not_a_person():
    pose, *_ = stage([np.nan, 1.0])
    assert "NaN" in estimate(pose).failure and estimate(pose).failure is None


def test_a_spent_budget_raises_the_cause():
    pose, _, log, _ = stage([RuntimeError(f"error {n}") for n in range(9)])
    assert estimate(pose).failure and estimate(pose).failure
    with pytest.raises(StageError, match="failed 3 times within 10 s; the last time: error 2") as raised:
        estimate(pose)
    assert isinstance(raised.value.__cause__, RuntimeError) and log.count("open") == log.count("close") == 3


def test_without_restarts_the_first_failure_is_raised():
    pose, *_ = stage([RuntimeError("error")], RestartConfig(0, 10.0))
    with pytest.raises(StageError, match="failed 1 times within 10 s"):
        estimate(pose)


def test_failures_outside_the_window_do_not_count():
    clock = Clock()
    pose, _, _, warnings = stage([RuntimeError("now and then")] * 51, clock=clock)
    for n in range(50):
        clock.now = 5.5 * n
        assert estimate(pose, n).failure
    clock.now = 1000.0
    assert estimate(pose).failure and "(1 of 2 within 10 s)" in warnings[-1]


def test_a_failed_reopening_counts_against_the_budget():
    opened, warnings = [], []

    def open_once():
        opened.append(1)
        if len(opened) > 1:
            raise RuntimeError("no device")
        return Estimator([RuntimeError("lost")], [])

    pose = EstimatorStage(Restartable("pose", open_once, RestartConfig(2, 10.0), warnings.append, clock=Clock()))
    assert [estimate(pose).failure for _ in range(2)] == ["pose: lost", "pose: no device"]
    with pytest.raises(StageError, match="no device"):
        estimate(pose)
    assert len(warnings) == 2, "what was not opened is not closed"


@pytest.mark.parametrize("wrong", [{"restarts": -1}, {"within_s": 0.0}])
def test_invalid_values_are_refused(wrong):
    with pytest.raises(ConfigError):
        RestartConfig(**wrong)
