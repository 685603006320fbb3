"""Random movements: within joint limits, continuous, and of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train.data.generated.body import ANGLES, SIDES
from train.data.generated.fidgets import ARM_DEG, LEG_DEG, TRUNK_DEG, fidget
from train.data.generated.kinematic import generate_clip

TREMBLE_DEG = 25
TIMES = np.arange(90) / 30

LIMITS = TRUNK_DEG | {f"{side}_{name}": limits for side in SIDES for name, limits in (ARM_DEG | LEG_DEG).items()}


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_every_angle_is_within_its_limits_and_continuous(seed: int) -> None:
    angles = fidget(TIMES, "left", np.random.default_rng(seed)).angles
    assert set(angles) <= set(ANGLES)
    for name, value in angles.items():
        low, high = LIMITS[name]
        curve = np.broadcast_to(value, TIMES.shape)
        assert low - TREMBLE_DEG <= curve.min() <= curve.max() <= high + TREMBLE_DEG
        assert np.isfinite(curve).all()


def test_arms_legs_and_trunk_move_with_the_stated_probabilities() -> None:
    drawn = [fidget(TIMES, "left", np.random.default_rng(seed)) for seed in range(400)]

    def part(name: str) -> float:
        return float(
            np.mean([np.ptp(np.broadcast_to(motion.angles.get(name, 0.0), TIMES.shape)) > 1 for motion in drawn])
        )

    # 0.8 of the arms; 0.45 * 0.7 of each leg; 0.5 of the trunks; five standard errors at most.
    assert part("left_elbow") == pytest.approx(0.8, abs=0.1)
    assert part("right_knee") == pytest.approx(0.315, abs=0.12)
    assert part("lean") == pytest.approx(0.5, abs=0.13)
    assert np.mean([motion.travels for motion in drawn]) == pytest.approx(0.25, abs=0.11)


def test_a_clip_is_deterministic_and_depends_on_its_index() -> None:
    first, again, other = (generate_clip(fidget, "fidget", 3, index, seed=1) for index in (4, 4, 5))
    np.testing.assert_array_equal(first.joints, again.joints)
    assert first.label == 3 and first.joints.shape[2:] == (20, 3) and np.isfinite(first.joints).all()
    assert first.joints.shape != other.joints.shape or not np.allclose(first.joints, other.joints)
