import math
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calibrate.evaluation.compare import (
    WARM_UP,
    accuracies,
    agreement_threshold,
    deviation,
    latencies,
    top1,
)
from calibrate.evaluation.compare_poses import joint_distances, people_agreement, require_people
from calibrate.evaluation.evaluator import decision_loss
from edge.bench.accuracy_figures import agreement
from edge.contract.errors import DataError
from edge.contract.manifest import AccuracyBudget
from edge.contract.types import Pose


def body(x: float, y: float, size: float = 100.0) -> Pose:
    keypoints = np.array([[x, y, 0.9], [x + size / 2, y, 0.8], [x, y + size, 0.7]], np.float32)
    return Pose(keypoints, 0.8)


def test_deviation_of_two_numbers_by_hand() -> None:
    error = deviation(np.array([1.0, -4.0]), np.array([1.5, -3.0]))
    assert (error.largest, error.mean, error.scale) == (1.0, 0.75, 4.0)


def test_top1_and_agreement_count_decisions() -> None:
    reference = np.array([[2, 1], [0, 1], [3, 0], [0, 5]])
    other = np.array([[2, 1], [1, 0], [3, 0], [0, 5]])
    assert top1(reference, np.array([0, 1, 1, 1])) == 0.75
    assert agreement(reference, other) == 75
    labels = np.array([0, 1, 1, 1])
    known = {"fp32": {"top1": 0.1, "mean_class": 0.2}, "int8": {"top1": 0.3, "old": 1}, "test_clips": 9}
    measured = {"fp32": {"top1": 0.75, "mean_class": 0.2}, "int8": {"top1": 0.5, "agreement": 0.75}, "test_clips": 4}
    assert accuracies(known, reference, other, labels) == measured
    loss = decision_loss(reference, other, labels)
    assert (loss.agreement, loss.top1_drop) == (75, 25)


def test_people_match_in_any_order() -> None:
    found = people_agreement([[body(0, 0), body(300, 0)]], [[body(302, 0), body(0, 1)]])
    assert (found.reference, found.other, found.both, found.share) == (2, 2, 2, 1.0)
    assert found.distance == pytest.approx((0.02 + 0.01) / 2)


def test_people_in_other_places_do_not_match() -> None:
    found = people_agreement([[body(0, 0)], [body(0, 0)]], [[body(50, 0)], []])
    assert (found.reference, found.other, found.both, found.share, found.distance) == (2, 1, 0, 0.0, 0.0)


def test_a_person_that_only_one_side_finds_counts_against_the_share() -> None:
    found = people_agreement([[], [body(0, 0)]], [[body(0, 0)], [body(0, 0)]])
    assert (found.reference, found.other, found.both, found.share) == (1, 2, 1, 0.5)


@pytest.mark.parametrize(("moved", "both"), [(9, 1), (11, 0)])
def test_poses_match_by_their_median_joint_to_a_tenth_of_the_body(moved: float, both: int) -> None:
    a, b = body(0, 0), body(moved, 0)
    b.keypoints[0, 0] = 500  # one joint on another person
    assert people_agreement([[a]], [[b]]).both == both


def test_one_lost_person_does_not_part_two_that_match() -> None:
    # In total, 50 + 4000 pixels are more than 2000 + 1950; but 4000 away is no further off than 1000.
    reference, other = [body(0, 0, 1000), body(-2000, 0, 1000)], [body(-50, 0, 1000), body(2000, 0, 1000)]
    assert people_agreement([reference], [other]).both == 1


def test_poses_without_a_common_joint_do_not_match() -> None:
    a, b = body(0, 0), body(0, 0)
    a.keypoints[:2, 2] = b.keypoints[2, 2] = 0
    assert people_agreement([[a]], [[b]]).both == 0


def test_a_bodys_size_is_that_of_its_seen_joints_and_at_least_a_pixel() -> None:
    a = body(200, 200).keypoints
    a = np.vstack([a, np.zeros(3, np.float32)])
    b = a + np.array([10, 0, 0], np.float32)
    np.testing.assert_allclose(joint_distances(a, b), [0.1] * 3, rtol=1e-6)
    a[1:, 2] = 0
    np.testing.assert_allclose(joint_distances(a, b), [10], rtol=1e-6)


def test_somebody_is_required_but_not_in_every_image(tmp_path: Path) -> None:
    require_people([[], [body(0, 0)]], tmp_path)
    with pytest.raises(DataError, match="finds nobody"):
        require_people([[], []], tmp_path)


def test_joints_seen_by_one_side_only_are_ignored() -> None:
    a, b = body(0, 0).keypoints, body(10, 0).keypoints
    b[2, 2] = 0
    b[2, :2] = 9999
    np.testing.assert_allclose(joint_distances(a, b), [0.1, 0.1], rtol=1e-6)


def test_an_engine_is_not_timed_while_another_engines_threads_spin(monkeypatch) -> None:
    clock, ran = [0.0], {}

    class Spinning:
        """Takes 1 ms, and 8 ms more if another engine ran in the 20 ms before."""

        inputs, device_s = [SimpleNamespace(name="clip")], None

        def __init__(self, name: str) -> None:
            self.name = name

        def run(self, feed: dict[str, Any]) -> None:
            slowed = any(clock[0] - last < 0.02 for other, last in ran.items() if other != self.name)
            clock[0] += 0.009 if slowed else 0.001
            ran[self.name] = clock[0]

    def rest(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(latencies.__module__ + ".time", SimpleNamespace(perf_counter=lambda: clock[0], sleep=rest))
    measured = latencies([Spinning("a"), Spinning("b")], np.zeros(1), 12)  # type: ignore[list-item]
    assert all(times.host.p90_ms == pytest.approx(1) for times in measured)


def test_latencies_are_in_ms_over_the_requested_runs_without_warm_up(monkeypatch) -> None:
    clock, since_rest, ran = [0.0], [0], [0]

    class Warming:
        """Takes 1 s for warm-up runs after each pause, then 1 ms, 2 ms and so on; half of it on the GPU."""

        inputs = (SimpleNamespace(name="clip"),)
        device_s = 0.0

        def run(self, feed: dict[str, Any]) -> None:
            since_rest[0] += 1
            warm = since_rest[0] > WARM_UP
            ran[0] += warm
            spent = ran[0] * 1e-3 if warm else 1.0
            clock[0], self.device_s = clock[0] + spent, spent / 2

    def rest(seconds: float) -> None:
        since_rest[0] = 0

    monkeypatch.setattr(latencies.__module__ + ".time", SimpleNamespace(perf_counter=lambda: clock[0], sleep=rest))
    (found,) = latencies([Warming()], np.zeros(1), 12)  # type: ignore[list-item]
    # Median and 90th percentile of 1 to 12 ms.
    assert ran == [12] and [*found.medians().values()] == pytest.approx([6, 11, 3])


@pytest.mark.parametrize(
    ("samples", "wanted", "least"),
    [
        # 0.99^16 = 0.851; with up to one change 0.851 + 16 * 0.01 * 0.99^15 = 0.989.
        (16, 99, 93.75),
        (4, 99, 100),  # 0.99^4 = 0.961
        (2, 50, 0),  # 1/4, 3/4, 1
        (16, 100, 100),
        (16, 0, 0),
    ],
)
def test_the_agreement_threshold_of_few_samples(samples: int, wanted: float, least: float) -> None:
    assert agreement_threshold(samples, wanted) == least


@pytest.mark.parametrize("samples", [1, 16, 430])
@pytest.mark.parametrize("wanted", [99.5, 99, 95, 20])
def test_the_threshold_is_the_95th_percentile_of_chance(samples: int, wanted: float) -> None:
    changed = round(samples * (1 - agreement_threshold(samples, wanted) / 100))
    differ = Fraction(str(100 - wanted)) / 100
    at_most = [math.comb(samples, k) * differ**k * (1 - differ) ** (samples - k) for k in range(changed + 1)]
    assert sum(at_most) >= Fraction(95, 100) > sum(at_most[:-1])


@pytest.mark.parametrize(("samples", "differ"), [(7, 1), (19, 1), (38, 2), (133, 3), (256, 5), (511, 9)])
def test_as_many_changes_as_chance_allows_are_within_the_budget(samples: int, differ: int) -> None:
    """6/7 and 1 - 1/7 differ in floating point."""
    budget = AccuracyBudget(min_agreement=agreement_threshold(samples, 99))
    for changed, missed in ((differ, False), (differ + 1, True)):
        other = np.eye(samples)
        other[:changed] = np.roll(other[:changed], 1, axis=1)
        assert bool(budget.violations(agreement(np.eye(samples), other))) == missed
