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
    xy = [[0, -160], [30, -120], [-30, -120], [60, -70], [-60, -70], [75, -20], [-75, -20]]
    xy += [[20, -20], [-20, -20], [22, 60], [-22, 60], [22, 140], [-22, 140]]
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
