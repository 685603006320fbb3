"""Arms of people who stand or walk: they hang, carry something, hold a phone, are folded."""

from __future__ import annotations

import numpy as np

from train.data.generated.body import SIDES

Range = tuple[float, float]

ONE_ARM: dict[str, dict[str, Range]] = {
    "hanging": {"shoulder_flex": (-5, 5), "shoulder_abduct": (2, 10), "elbow": (5, 25)},
    "in a pocket": {"shoulder_flex": (-20, 0), "shoulder_abduct": (8, 20), "elbow": (25, 55)},
    "carrying": {"shoulder_flex": (0, 30), "shoulder_abduct": (2, 12), "shoulder_twist": (-40, 0), "elbow": (65, 110)},
    "at the face": {"shoulder_flex": (35, 65), "shoulder_twist": (-45, -25), "elbow": (120, 148)},
}
BOTH_ARMS: dict[str, dict[str, Range]] = {
    "folded": {"shoulder_flex": (20, 30), "shoulder_abduct": (2, 8), "shoulder_twist": (-58, -46), "elbow": (92, 108)},
    "on the hips": {
        "shoulder_flex": (-20, -10),
        "shoulder_abduct": (36, 48),
        "shoulder_twist": (-55, -45),
        "elbow": (88, 102),
    },
    "behind the back": {
        "shoulder_flex": (-45, -30),
        "shoulder_abduct": (5, 15),
        "shoulder_twist": (-100, -80),
        "elbow": (55, 90),
    },
}
"""Ranges of the angles of :data:`train.data.generated.body.ANGLES`, in degrees."""
TOGETHER = 0.4
"""Probability that both arms do the same."""


def resting_arm(side: str, rng: np.random.Generator) -> dict[str, float]:
    """Draw the angles of one arm that hangs, rests in a pocket, carries something or holds a hand to the face."""
    return _draw(side, _one_of(ONE_ARM, rng), rng)


def resting_arms(rng: np.random.Generator) -> dict[str, float]:
    """Draw the angles of both arms: folded, on the hips, behind the back, or each at rest by itself."""
    if rng.random() < TOGETHER:
        posture = _one_of(BOTH_ARMS, rng)
        return {name: value for side in SIDES for name, value in _draw(side, posture, rng).items()}
    return resting_arm("left", rng) | resting_arm("right", rng)


def _one_of(postures: dict[str, dict[str, Range]], rng: np.random.Generator) -> dict[str, Range]:
    return list(postures.values())[rng.integers(len(postures))]


def _draw(side: str, posture: dict[str, Range], rng: np.random.Generator) -> dict[str, float]:
    return {f"{side}_{name}": rng.uniform(*limits) for name, limits in posture.items()}
