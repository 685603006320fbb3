"""UTD-MHAD: 861 Kinect recordings of 27 everyday and sport actions by 8 people, 20 joints in 3-D.

Source: Chen, Jafari, Kehtarnavaz, "UTD-MHAD", ICIP 2015. Packed form: ``utd_mhad.npz`` with
xyz (F, 20, 3) metres, length, and meta (action 1-27, subject 1-8, trial).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from train.data.arrays import cut, read_arrays
from train.data.clip import SkeletonClip, SkeletonSet, checked

FILE = "utd_mhad.npz"
FPS = 30.0
CLASSES = (
    "swipe_left swipe_right wave clap throw arm_cross basketball_shoot draw_x draw_circle_clockwise "
    "draw_circle_counter_clockwise draw_triangle bowling boxing baseball_swing tennis_swing arm_curl tennis_serve "
    "push knock catch pick_up_and_throw jog_in_place walk_in_place sit_to_stand stand_to_sit lunge squat"
)


def read_utd_mhad(folder: Path) -> SkeletonSet:
    """All clips; odd subjects train (431), even subjects test (430), as the authors split them."""
    path = folder / FILE
    arrays = read_arrays(path, ("xyz", "length", "meta"))
    frames = cut(path, arrays["xyz"], (20, 3), arrays["length"], arrays["meta"])
    # The sensor's x grows to the left of its own view; ours grows to the right of the camera.
    xyz = arrays["xyz"].astype(np.float32) * np.array([-1, 1, 1], np.float32)
    seen = np.asarray(np.isfinite(xyz).all(axis=-1))
    clips = tuple(
        SkeletonClip(
            id=f"utd-a{action}-s{subject}-t{trial}",
            label=int(action) - 1,
            joints=xyz[None, part],
            seen=seen[None, part],
            fps=FPS,
            train=bool(subject % 2),
        )
        for part, (action, subject, trial) in zip(frames, arrays["meta"], strict=True)
    )
    names = tuple(CLASSES.split())
    return checked(SkeletonSet("UTD-MHAD", names, "kinect-20", clips, "odd subjects train / even test"))
