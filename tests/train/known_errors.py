"""A still person, and known errors of an estimator."""

from typing import Any

import numpy as np

from edge.contract.layouts import layout
from edge.contract.types import Float32
from train.data.corruption.fitted_errors import Bursts, FittedErrors, JointErrors

PENN = layout("penn-13")
NEVER = Bursts(0.0, 0.0)
FLAWLESS = JointErrors(NEVER, 0.0, 0.0, 0.0)


def person(frames: int) -> Float32:
    """A still person (S, 13, 3), with a torso of 100 pixels and wrists far apart."""
    xy = [[200, 60], [230, 100], [170, 100], [260, 150], [140, 150], [275, 200], [125, 200]]
    xy += [[220, 200], [180, 200], [222, 280], [178, 280], [222, 360], [178, 360]]
    still = np.concatenate([np.array(xy, np.float32), np.ones((13, 1), np.float32)], axis=1)
    return np.repeat(still[None], frames, axis=0)


def errors(joint: JointErrors = FLAWLESS, swap: Bursts = NEVER, lost: Bursts = NEVER, **joints: JointErrors) -> Any:
    pairs = [name.removeprefix("left_") for name in PENN.joints if name.startswith("left_")]
    return FittedErrors(
        "penn-13", 15.0, {name: joints.get(name, joint) for name in PENN.joints}, dict.fromkeys(pairs, swap), lost
    )


KNOWN = errors(
    JointErrors(Bursts(0.1, 0.4), 0.03, 0.2, 0.04),
    swap=Bursts(0.05, 0.3),
    lost=Bursts(0.08, 0.5),
    left_wrist=JointErrors(Bursts(0.3, 0.8), 0.08, 0.5, 0.06),
)
