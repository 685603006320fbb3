"""The budget of failures, by a clock that the test turns."""

import numpy as np
import pytest
from parts import IMAGE

from edge.contract.errors import ConfigError, StageError
from edge.contract.layouts import layout
from edge.contract.types import Frame, Pose
from edge.loop.pose_stage import EstimatorStage
from edge.loop.restarts import Restartable, RestartConfig


class Estimator:
    """Sees one body, or fails, as the list says: an exception is raised, anything else is keypoints."""

    layout = layout("penn-13")
    network_s = 0.0

    def __init__(self, answers, log):
        self.answers, self.log = answers, log
        log.append("open")

    def describe(self):
        return "estimator of this test"

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
    log, said = [], []
    restarted = Restartable(
        "pose", lambda: Estimator(answers, log), config or RestartConfig(2, 10.0), said.append, clock=clock or Clock()
    )
    return EstimatorStage(restarted), restarted, log, said


def see(stage, n=0):
    return stage.estimate(Frame(n, n / 30, IMAGE))


def test_a_failure_is_counted_shown_and_the_next_frame_is_seen_by_a_new_estimator():
    pose, _, log, said = stage([1.0, RuntimeError("out of memory"), 1.0])
    first, second, third = (see(pose, n) for n in range(3))
    assert first.failure is None and third.failure is None and len(third.poses) == 1
    assert second.failure == "pose: out of memory" and second.poses == ()
    assert log == ["open", "close", "open"]
    assert said == ["the pose stage failed and is started again (1 of 2 within 10 s): out of memory"]


def test_keypoints_that_are_not_numbers_are_a_failure_not_a_person():
    pose, *_ = stage([np.nan, 1.0])
    assert "NaN" in see(pose).failure and see(pose).failure is None


def test_the_run_ends_with_the_cause_when_the_budget_is_spent():
    pose, _, log, _ = stage([RuntimeError(f"error {n}") for n in range(9)])
    assert see(pose).failure and see(pose).failure
    with pytest.raises(StageError, match="failed 3 times within 10 s; the last time: error 2") as raised:
        see(pose)
    assert isinstance(raised.value.__cause__, RuntimeError) and log.count("open") == log.count("close") == 3


def test_failures_that_are_far_apart_are_borne_for_ever():
    clock = Clock()
    pose, *_ = stage([RuntimeError("now and then")] * 50, clock=clock)
    for n in range(50):
        clock.now = 5.5 * n
        assert see(pose, n).failure


def test_an_estimator_that_cannot_be_opened_again_spends_the_budget_too():
    opened = []

    def open_once():
        opened.append(1)
        if len(opened) > 1:
            raise RuntimeError("no device")
        return Estimator([RuntimeError("lost")], [])

    pose = EstimatorStage(Restartable("pose", open_once, RestartConfig(2, 10.0), lambda text: None, clock=Clock()))
    assert [see(pose).failure for _ in range(2)] == ["pose: lost", "pose: no device"]
    with pytest.raises(StageError, match="no device"):
        see(pose)


@pytest.mark.parametrize("wrong", [{"restarts": -1}, {"within_s": 0.0}])
def test_values_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ConfigError):
        RestartConfig(**wrong)
