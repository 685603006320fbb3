"""Penn Action: 2326 clips of 15 sports actions, 13 joints in 2-D, official split.

Source: Zhang, Zhu, Derpanis, "From Actemes to Action", ICCV 2013. Packed form: ``penn_action.npz``
with all clips' frames one after the other: xy (F, 13, 2) pixels, vis (F, 13), length, label,
train, classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from train.data.arrays import read_arrays
from train.data.clip import SkeletonClip, SkeletonSet, checked

FILE = "penn_action.npz"
FPS = 30.0
# The archive keeps no frame rates; its clips come from web video, for which 30 Hz is the rule.

# The archive pins joints it could not place to the picture's corner.
_PINNED = 1.5


def read_penn_action(folder: Path) -> SkeletonSet:
    """All clips in the official split, 1258 for training and 1068 for testing."""
    path = folder / FILE
    arrays = read_arrays(path, ("xy", "vis", "length", "label", "train", "classes"))
    xy = arrays["xy"].astype(np.float32)
    # ``vis`` marks occlusion as the annotators saw it, but occluded joints were placed with care:
    # they are kept. Only what was pinned to (1, 1) or is not a number is missing.
    seen = np.isfinite(xy).all(axis=-1) & ~(xy <= _PINNED).all(axis=-1)
    ends = np.cumsum(arrays["length"])
    clips = tuple(
        SkeletonClip(
            id=f"penn-{index + 1:04d}",
            label=int(arrays["label"][index]),
            joints=xy[None, end - length : end],
            seen=seen[None, end - length : end],
            fps=FPS,
            train=bool(arrays["train"][index]),
        )
        for index, (end, length) in enumerate(zip(ends, arrays["length"], strict=True))
    )
    names = tuple(str(name) for name in arrays["classes"])
    return checked(SkeletonSet("Penn Action", names, "penn-13", clips, "official, 1258 train / 1068 test"))
