"""Synthetic skeleton clips from joint angles, to run the whole pipeline without a dataset.

Bodies of random proportions (:mod:`train.data.generated.body`) perform everyday actions
(:mod:`train.data.generated.motions`) in 3-D. The clips are for tests, demos and first steps; only real recordings tell
how a network does on real people.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from train.data.clip import SkeletonClip, SkeletonSet, validated
from train.data.generated.body import ANGLES, LAYOUT, Array, Body, on_floor, pose, random_body
from train.data.generated.motions import MOTIONS, Angles, MotionSampler, other_side

CLASSES = tuple(MOTIONS)
FPS = 30.0
PEOPLE = 30
"""Number of people, to whom clips are assigned in turn; every third person is for testing."""
MAX_TURNED_DEG = 40.0
"""Largest angle between the direction of an action on the spot and the camera."""
HINGE_DEG = (2.0, 150.0)
"""Range of elbows and knees."""


def make_kinematic(clips_per_class: int, seed: int) -> SkeletonSet:
    """Generate clips of 2.4 to 3.6 s at 30 Hz, one body each, layout kinect-20, floor at y = 0.

    A clip depends only on ``seed``, its class and its index, so that a larger set contains the smaller ones. Train and
    test have different people. Raises DataError if ``clips_per_class`` is below 1.
    """
    clips = tuple(
        generate_clip(MOTIONS[name], name, label, index, seed)
        for label, name in enumerate(CLASSES)
        for index in range(clips_per_class)
    )
    return validated(SkeletonSet("kinematic", CLASSES, LAYOUT.name, clips, "by person, every third one tests"))


def first_test_clips(count: int, seed: int) -> SkeletonSet:
    """The first ``count`` test clips, ordered by person, then class; see :func:`make_kinematic`."""
    clips = (
        generate_clip(MOTIONS[name], name, label, number, seed)
        for number in itertools.count(2, 3)  # every third person is for testing
        for label, name in enumerate(CLASSES)
    )
    found = tuple(itertools.islice(clips, count))
    return validated(SkeletonSet("kinematic", CLASSES, LAYOUT.name, found, "by person, every third one tests"))


def generate_clip(drawn: MotionSampler, name: str, label: int, index: int, seed: int) -> SkeletonClip:
    """Generate clip ``index`` of a motion; its random numbers depend on ``seed``, ``label`` and ``index`` only."""
    person = index % PEOPLE
    body = random_body(np.random.default_rng((seed, 0, person)))
    rng = np.random.default_rng((seed, 1, label, index))
    joints = perform(drawn, body, int(rng.uniform(2.4, 3.6) * FPS), rng)[None]
    seen = np.ones(joints.shape[:3], bool)
    return SkeletonClip(f"kinematic-{name}-{index:04d}-p{person:02d}", label, joints, seen, FPS, train=person % 3 != 2)


def perform(drawn: MotionSampler, body: Body, frames: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Perform a motion: joints (S, 20, 3) in metres, x right, y up from the floor, z away from the camera.

    The path starts at x = z = 0.
    """
    times_s = np.arange(frames) / FPS
    side = body.hand if rng.random() < 5 / 6 else other_side(body.hand)
    motion = drawn(times_s, side, rng)
    if motion.travels:
        heading_deg = rng.uniform(-180, 180) + rng.normal(0, 25) * times_s
    else:
        heading_deg = np.full(frames, rng.uniform(-MAX_TURNED_DEG, MAX_TURNED_DEG))
    angles = _with_variation(motion.angles, times_s, rng)
    lift_m = np.broadcast_to(motion.lift_m, times_s.shape)
    return on_floor(*pose(body, angles, heading_deg), lift_m, FPS).astype(np.float32)


def _with_variation(angles: Angles, times_s: Array, rng: np.random.Generator) -> dict[str, Array]:
    """All angles (S,), with individual variation: asymmetry between the sides, posture offsets and idle sway."""
    gain = {"left": rng.normal(1, 0.06), "right": rng.normal(1, 0.06)}
    curves = {}
    for name in ANGLES:
        curve = np.broadcast_to(angles.get(name, 0.0), times_s.shape) * gain.get(name.split("_")[0], 1.0)
        if not name.endswith("sole"):  # soles do not sway
            hz, shift = rng.uniform(0.1, 0.9, 3), rng.uniform(0, 2 * np.pi, 3)
            sway = np.sin(2 * np.pi * hz * times_s[:, None] + shift).sum(axis=-1)
            curve = curve + rng.normal(0, 2.0) + rng.uniform(0.2, 1.0) * sway
        if name.endswith(("elbow", "knee")):
            curve = np.clip(curve, *HINGE_DEG)
        curves[name] = curve
    return curves
