"""Everyday actions as joint-angle curves, with random tempo, amplitude and style.

A motion is a function of the times (S,) in seconds, the preferred side and a random generator. It returns the angles
that the action needs, in degrees by the names of :data:`train.data.generated.body.ANGLES`, and the height of the feet
above the floor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from train.data.generated.arms import resting_arm, resting_arms
from train.data.generated.body import SIDES, Array

Angles = dict[str, Array | float]


@dataclass(frozen=True)
class Motion:
    """angles: curves (S,) or constants in degrees. lift_m: height of the lowest foot above the floor."""

    angles: Angles
    lift_m: Array | float = 0.0
    travels: bool = False
    """Whether the body moves from its place. If so, it has any heading and walks a curve."""


MotionSampler = Callable[[Array, str, np.random.Generator], Motion]


def stand(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Stand with arms that hang or are at rest otherwise, and look around."""
    other = other_side(side)
    arms: Angles = dict(resting_arms(rng)) if rng.random() < 0.7 else _both(shoulder_abduct=6, elbow=12)
    relaxed = rng.uniform(0, 20)
    legs: Angles = {f"{other}_hip_flex": relaxed / 2, f"{other}_knee": relaxed}
    apart = rng.uniform(0, 9)
    look = rng.uniform(0, 12) * np.sin(2 * np.pi * rng.uniform(0.1, 0.25) * t + rng.uniform(0, 6))
    return Motion({**arms, **legs, **_both(hip_abduct=apart), "turn": look / 2, "tilt": look / 3})


def walk(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Stroll or walk at 0.55 to 1.15 strides/s; arms swing little or widely, or one or both are at rest.

    Curves after Winter's gait data.
    """
    pace = rng.uniform(0.55, 1.15)
    stride = rng.uniform(0.85, 1.15) * min(1, 0.4 + 0.7 * pace)
    swing = rng.uniform(0.1, 1.3) if rng.random() < 0.6 else rng.uniform(1.3, 2.6)
    phase = _phase(t, pace, rng)
    angles: Angles = {"lean": rng.uniform(0, 6), "turn": -5 * stride * np.cos(phase)}
    for leg, shift in zip(SIDES, (0, np.pi), strict=True):
        p = phase + shift  # 0 when this heel strikes
        angles[f"{leg}_hip_flex"] = stride * (9 + 22 * np.cos(p))
        angles[f"{leg}_knee"] = stride * (5 + 11 * _bump(p, 0.25, 4) + 55 * _bump(p, 1.38, 4))
        angles[f"{leg}_sole"] = 16 * _bump(p, 0, 8) - 35 * _bump(p, 1.12, 6)
        angles[f"{leg}_shoulder_flex"] = swing * (-2 - 18 * np.cos(p))
        angles[f"{leg}_elbow"] = 14 + swing * (8 - 8 * np.cos(p))
        angles[f"{leg}_shoulder_abduct"] = 6.0
    resting = rng.random()
    if resting < 0.25:
        angles |= resting_arms(rng)
    elif resting < 0.5:
        angles |= resting_arm(side, rng)
    return Motion(angles, travels=True)


def jog(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Jog at 1.2 to 1.5 strides/s with a flight phase after each push-off and bent elbows."""
    stride = rng.uniform(0.8, 1.15)
    heels = rng.uniform(60, 90)
    phase = _phase(t, rng.uniform(1.2, 1.5), rng)
    angles: Angles = {"lean": rng.uniform(4, 12), "turn": -9 * stride * np.cos(phase)}
    for leg, shift in zip(SIDES, (0, np.pi), strict=True):
        p = phase + shift
        angles[f"{leg}_hip_flex"] = stride * (16 + 32 * np.cos(p))
        angles[f"{leg}_knee"] = 18 + 22 * _bump(p, 0.3, 4) + heels * _bump(p, 1.4, 3)
        angles[f"{leg}_sole"] = 8 * _bump(p, 0, 6) - 50 * _bump(p, 1.2, 3)
        angles[f"{leg}_shoulder_flex"] = stride * (-8 - 30 * np.cos(p))
        angles[f"{leg}_elbow"] = 90 - 12 * np.cos(p)
        angles[f"{leg}_shoulder_abduct"] = 12.0
        angles[f"{leg}_shoulder_twist"] = -15.0
    return Motion(angles, lift_m=0.05 * stride * np.maximum(np.cos(2 * phase), 0) ** 2, travels=True)


def wave(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Wave one hand, beside the head or high above it."""
    beat = np.sin(_phase(t, rng.uniform(1.2, 2.4), rng))
    high = rng.uniform(0, 1)
    angles = _both(shoulder_abduct=6, elbow=12)
    angles[f"{side}_shoulder_abduct"] = 65 + 80 * high + 6 * beat
    angles[f"{side}_shoulder_twist"] = 80 + 10 * rng.uniform(-1, 1)
    angles[f"{side}_elbow"] = 85 - 50 * high + rng.uniform(18, 32) * beat
    return Motion({**angles, "bend": -3 if side == "left" else 3})


def clap(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Clap in front of the chest or the face, 1.2 to 2.8 times per second."""
    apart = _rise(_phase(t, rng.uniform(1.2, 2.8), rng)) * rng.uniform(24, 48)
    elbow = rng.uniform(70, 95)
    return Motion(
        _both(shoulder_flex=rng.uniform(25, 60), shoulder_abduct=4, shoulder_twist=apart - 34, elbow=elbow)
        | {"nod": rng.uniform(0, 8)}
    )


def punch(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Straight punches from a guard, with alternating fists or with one."""
    other = other_side(side)
    phase = _phase(t, rng.uniform(0.7, 1.3), rng)
    fists = {side: _bump(phase, 0.5, 5), other: _bump(phase, 1.5, 5) if rng.random() < 0.7 else 0 * t}
    aim = rng.uniform(72, 95)
    # The other foot is in front, and the trunk turns into each punch.
    angles: Angles = {"lean": 8.0, "turn": (18 if side == "right" else -18) * (fists[side] - 0.7 * fists[other])}
    for fist, out in fists.items():
        angles[f"{fist}_shoulder_flex"] = 32 + (aim - 32) * out
        angles[f"{fist}_shoulder_abduct"] = 14 - 10 * out
        angles[f"{fist}_shoulder_twist"] = -18.0
        angles[f"{fist}_elbow"] = 128 - 120 * out
    step = rng.uniform(8, 20)
    legs: Angles = {f"{other}_hip_flex": step + 8, f"{side}_hip_flex": 8 - step, f"{side}_sole": -step}
    return Motion({**angles, **legs, **_both(knee=18.0, hip_abduct=5.0)})


def kick(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Front kicks with one leg: knee up, shank out and back; the foot touches the floor in between."""
    other = other_side(side)
    phase = _phase(t, rng.uniform(0.55, 0.8), rng)
    height = rng.uniform(55, 95)
    lifted = _bump(phase, 1.0, 2.6)
    angles = _both(shoulder_flex=20 * rng.random(), shoulder_abduct=rng.uniform(12, 35), elbow=rng.uniform(20, 90))
    angles |= {
        f"{side}_hip_flex": height * lifted,
        f"{side}_knee": 8 + 90 * (_bump(phase, 0.74, 7) + 0.8 * _bump(phase, 1.38, 7)),
        f"{side}_sole": height * lifted - 50 * _bump(phase, 0.68, 7),
        f"{other}_knee": 6 + 8 * lifted,
        f"{other}_hip_flex": 3 + 4 * lifted,
        "lean": -rng.uniform(5, 18) * lifted,
    }
    return Motion(angles)


def raise_arms(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Raise and lower both arms slowly, forwards or sideways."""
    up = _rise(_phase(t, rng.uniform(0.35, 0.6), rng)) * rng.uniform(140, 172)
    if rng.random() < 0.5:
        return Motion(_both(shoulder_flex=up, shoulder_abduct=8, elbow=rng.uniform(5, 20)))
    return Motion(_both(shoulder_abduct=8 + up, elbow=rng.uniform(5, 20)))


def squat(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Squat partly or fully; arms forward, in front of the chest, holding a bar or hanging."""
    deep = _rise(_phase(t, rng.uniform(0.35, 0.6), rng)) * rng.uniform(0.65, 1.1)
    arms = [
        _both(shoulder_flex=80 * np.minimum(deep * 1.3, 1), elbow=10),
        _both(shoulder_flex=80, elbow=10),
        _both(shoulder_flex=30, shoulder_twist=-35, elbow=125),
        _both(shoulder_abduct=40, shoulder_twist=70, elbow=125),
        _both(shoulder_flex=20 * deep, elbow=15),
    ][rng.integers(5)]
    apart = rng.uniform(6, 14)
    legs = _both(hip_flex=95 * deep, knee=112 * deep, hip_abduct=apart, hip_twist=apart)
    return Motion({**arms, **legs, "lean": rng.uniform(28, 42) * deep, "nod": -20 * deep})


def lunge(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Step far forward with one leg, lower the rear knee towards the floor, and step back."""
    other = other_side(side)
    far = _rise(_phase(t, rng.uniform(0.35, 0.55), rng))
    step, deep = 4 * far * (1 - far), far * rng.uniform(0.75, 1.05)
    arms = [
        _both(shoulder_abduct=6, elbow=12),
        _both(shoulder_flex=-15, shoulder_abduct=42, shoulder_twist=-50, elbow=95),
    ]
    angles: Angles = arms[rng.integers(2)] | {
        f"{side}_hip_flex": 72 * deep + 22 * step,
        f"{side}_knee": 85 * deep + 30 * step,
        f"{other}_hip_flex": -15 * deep,
        f"{other}_knee": 70 * deep,
        f"{other}_sole": -55 * deep,
        "lean": rng.uniform(2, 12) * deep,
    }
    return Motion(angles)


def jumping_jacks(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Jump with legs apart and arms overhead, and together again."""
    phase = _phase(t, rng.uniform(0.8, 1.25), rng)
    open_, hop = _rise(phase), np.sin(phase) ** 2
    landing = 1 - hop
    arms = _both(shoulder_abduct=10 + rng.uniform(130, 165) * open_, elbow=rng.uniform(8, 30))
    legs = _both(hip_abduct=2 + rng.uniform(14, 24) * open_, hip_flex=8 * landing, knee=16 * landing, sole=-25 * hop)
    return Motion({**arms, **legs}, lift_m=rng.uniform(0.03, 0.1) * hop)


def stand_to_sit(t: Array, side: str, rng: np.random.Generator) -> Motion:
    """Sit down on a chair, near the middle of the recording."""
    takes_s = rng.uniform(0.9, 1.5)
    middle_s = t.mean() + rng.uniform(-0.2, 0.2)
    s = np.clip((t - middle_s) / takes_s + 0.5, 0, 1)
    sat = s * s * (3 - 2 * s)
    stoop = np.sin(np.pi * s) * rng.uniform(22, 38)
    arms = _both(shoulder_flex=28 * sat + stoop / 3, shoulder_abduct=6, shoulder_twist=-12 * sat, elbow=12 + 38 * sat)
    legs = _both(hip_flex=84 * sat, knee=86 * sat, hip_abduct=rng.uniform(2, 9))
    return Motion({**arms, **legs, "lean": stoop + rng.uniform(-8, 6) * sat})


MOTIONS: dict[str, MotionSampler] = {
    motion.__name__: motion
    for motion in (stand, walk, jog, wave, clap, punch, kick, raise_arms, squat, lunge, jumping_jacks, stand_to_sit)
}


def _both(**angles: Array | float) -> Angles:
    return {f"{side}_{name}": value for side in SIDES for name, value in angles.items()}


def other_side(side: str) -> str:
    return "right" if side == "left" else "left"


def _phase(t: Array, hz: float, rng: np.random.Generator) -> Array:
    """Phase in radians of a cycle with a random start and a tempo that varies within about 10 %."""
    unsteady = rng.uniform(0, 0.1) * hz / 0.3 * np.sin(2 * np.pi * 0.3 * t + rng.uniform(0, 2 * np.pi))
    return 2 * np.pi * hz * t + unsteady + rng.uniform(0, 2 * np.pi)


def _rise(phase: Array) -> Array:
    """Smooth periodic curve: 0 at phase 0, 1 at pi, 0 at 2 pi, slightly flattened at both ends."""
    return 0.5 - 0.5 * np.cos(phase - 0.15 * np.sin(2 * phase))


def _bump(phase: Array, centre_pi: float, sharpness: float) -> Array:
    """Periodic von Mises bump of height 1 at ``centre_pi`` * pi; larger ``sharpness`` is narrower."""
    return np.exp(sharpness * (np.cos(phase - centre_pi * np.pi) - 1))
