"""Penn Action: 2326 clips of 15 sports actions, 13 joints in 2-D, official split.

Source: Zhang, Zhu, Derpanis, "From Actemes to Action", ICCV 2013. Packed form: ``penn_action.npz``
with all clips' frames one after the other: xy (F, 13, 2) pixels, vis (F, 13), length, label,
train, classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.contract.layouts import layout
from train.data.arrays import cut, read_arrays
from train.data.clip import SkeletonClip, SkeletonSet, checked

FILE = "penn_action.npz"
LAYOUT = "penn-13"
FPS = 30.0
# The archive keeps no frame rates; its clips come from web video, for which 30 Hz is the rule.

# The archive pins joints it could not place to the picture's corner.
_PINNED = 1.5


def read_penn_action(folder: Path) -> SkeletonSet:
    """All clips in the official split, 1258 for training and 1068 for testing."""
    path = folder / FILE
    arrays = read_arrays(path, ("xy", "vis", "length", "label", "train", "classes"))
    frames = cut(path, arrays["xy"], (13, 2), arrays["length"], arrays["label"], arrays["train"])
    # The archive's left is the person's right: bowlers seen from behind have it on the picture's right,
    # guitarists strum with it. Everywhere in this package left is the person's own.
    xy = arrays["xy"].astype(np.float32)[:, list(layout(LAYOUT).mirror)]
    # ``vis`` marks occlusion as the annotators saw it, but occluded joints were placed with care:
    # they are kept. Only what was pinned to (1, 1) or is not a number is missing.
    seen = np.asarray(np.isfinite(xy).all(axis=-1) & ~(xy <= _PINNED).all(axis=-1))
    clips = tuple(
        SkeletonClip(
            id=f"penn-{index + 1:04d}",
            label=int(arrays["label"][index]),
            joints=xy[None, part],
            seen=seen[None, part],
            fps=FPS,
            train=bool(arrays["train"][index]),
        )
        for index, part in enumerate(frames)
    )
    names = tuple(str(name) for name in arrays["classes"])
    return checked(SkeletonSet("Penn Action", names, LAYOUT, clips, "official, 1258 train / 1068 test"))
