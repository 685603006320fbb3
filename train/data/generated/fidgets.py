"""Random movements for the class "unknown": limbs that move from one random posture to the next.

They serve as outliers in training (outlier exposure: Hendrycks, Mazeika, Dietterich, ICLR 2019), because a recogniser
that has only seen its own classes assigns one of them to any movement.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from train.data.generated.body import SIDES, Array
from train.data.generated.motions import Angles, Motion

ARM_DEG = {"shoulder_flex": (-40, 170), "shoulder_abduct": (0, 150), "shoulder_twist": (-60, 80), "elbow": (5, 140)}
LEG_DEG = {"hip_flex": (-20, 100), "knee": (0, 110), "hip_abduct": (0, 40)}
TRUNK_DEG = {"lean": (-15, 60), "bend": (-30, 30), "turn": (-50, 50), "nod": (-20, 30)}
"""Range of each angle in degrees."""
HANGING_DEG = {"shoulder_flex": (-10, 30), "shoulder_abduct": (2, 20), "elbow": (5, 60)}
"""Range of the constant angles of an arm that does not move."""
ARM_MOVES, LEGS_MOVE, LEG_MOVES, TRUNK_MOVES, TRAVELS = 0.8, 0.45, 0.7, 0.5, 0.25
"""Probabilities that an arm moves, that legs move at all, that then a leg does, of the trunk, and of travelling."""


def fidget(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Move some or all limbs through random postures; see :class:`train.data.generated.motions.Motion`."""
    angles: Angles = {}
    legs_move = rng.random() < LEGS_MOVE
    for limb in SIDES:
        if rng.random() < ARM_MOVES:
            angles |= {f"{limb}_{name}": _random_curve(t, *limits, rng) for name, limits in ARM_DEG.items()}
        else:
            angles |= {f"{limb}_{name}": rng.uniform(*limits) for name, limits in HANGING_DEG.items()}
        if legs_move and rng.random() < LEG_MOVES:
            angles |= {f"{limb}_{name}": _random_curve(t, *limits, rng) for name, limits in LEG_DEG.items()}
    if rng.random() < TRUNK_MOVES:
        angles |= {name: _random_curve(t, *limits, rng) for name, limits in TRUNK_DEG.items()}
    return Motion(angles, travels=bool(rng.random() < TRAVELS))


def _random_curve(t: Array, low: float, high: float, rng: np.random.Generator) -> Array:
    """Random curve (S,) in degrees: monotone interpolation of two to five values, some with a tremor."""
    count = rng.integers(2, 6)
    times = np.sort(rng.uniform(t[0], t[-1], count)) + 1e-3 * np.arange(count)  # all distinct
    near_rest = rng.random() < 0.6
    degrees = rng.triangular(low, max(low, 0), high, count) if near_rest else rng.uniform(low, high, count)
    held = PchipInterpolator(
        np.concatenate([[t[0] - 0.5], times, [t[-1] + 0.5]]), np.concatenate([degrees[:1], degrees, degrees[-1:]])
    )
    curve: Array = held(t)
    if rng.random() < 0.3:
        curve = curve + rng.uniform(3, 25) * np.sin(2 * np.pi * rng.uniform(0.3, 2) * t + rng.uniform(0, 2 * np.pi))
    return curve
