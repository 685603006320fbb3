"""Skeleton clips made from joint angles: the whole road, teacher to device, without a dataset.

Bodies of random proportions (:mod:`train.data.body`) perform everyday actions
(:mod:`train.data.motions`) in 3-D. The clips suit tests, demos and first steps; how a network
trained on them does on real people is for real recordings to tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from train.data.body import LAYOUT, Body, on_floor, pose, random_body
from train.data.clip import SkeletonClip, SkeletonSet, checked
from train.data.motions import MOTIONS, performance

CLASSES = tuple(MOTIONS)
FPS = 30.0
PEOPLE = 30
"""Clips are dealt out to this many people in turn; every third person is for testing."""
MAX_TURNED_DEG = 40.0
"""An action on the spot is performed towards the camera, within this angle."""


def make_kinematic(clips_per_class: int, seed: int) -> SkeletonSet:
    """Clips of 2.4 to 3.6 s at 30 Hz, one body each, layout kinect-20, floor at y = 0.

    A clip depends on ``seed``, its class and its number alone, so that a larger set contains the
    smaller ones. People differ between train and test. Raises DataError where ``clips_per_class`` < 1.
    """
    clips = tuple(_clip(label, index, seed) for label in range(len(CLASSES)) for index in range(clips_per_class))
    return checked(SkeletonSet("kinematic", CLASSES, LAYOUT.name, clips, "by person, every third one tests"))


def perform(action: str, body: Body, frames: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """One performance (S, 20, 3) in metres: x right of the camera, y up from the floor, z away; starts at x = z = 0."""
    times_s = np.arange(frames) / FPS
    angles, lift_m, travels = performance(action, times_s, body.hand, rng)
    if travels:
        heading = rng.uniform(-180, 180) + rng.uniform(-25, 25) * times_s
    else:
        heading = np.full(frames, rng.uniform(-MAX_TURNED_DEG, MAX_TURNED_DEG))
    return on_floor(*pose(body, angles, heading), lift_m, FPS).astype(np.float32)


def _clip(label: int, index: int, seed: int) -> SkeletonClip:
    person = index % PEOPLE
    body = random_body(np.random.default_rng((seed, 0, person)))
    rng = np.random.default_rng((seed, 1, label, index))
    joints = perform(CLASSES[label], body, int(rng.uniform(2.4, 3.6) * FPS), rng)[None]
    return SkeletonClip(
        id=f"kinematic-{CLASSES[label]}-{index:04d}-p{person:02d}",
        label=label,
        joints=joints,
        seen=np.ones(joints.shape[:3], bool),
        fps=FPS,
        train=person % 3 != 2,
    )
