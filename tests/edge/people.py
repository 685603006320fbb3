"""Frames with people in them, for what comes after the tracker."""

import numpy as np

from edge.contract.layouts import layout
from edge.contract.types import Action, Frame, FrameResult, Person, Pose

PENN = layout("penn-13")


def action(score, label="jumping_jacks"):
    return Action(label, score, np.array([score, 1 - score], np.float32))


def pose(x, y, scale=1.0, score=0.9):
    """A standing body 100 wide and 200 high at x, y (times ``scale``)."""
    joints = [
        (50, 0), (20, 40), (80, 40), (10, 80), (90, 80), (0, 110), (100, 110),
        (30, 110), (70, 110), (30, 155), (70, 155), (30, 200), (70, 200),
    ]  # fmt: skip
    keypoints = np.ones((13, 3), np.float32)
    keypoints[:, :2] = np.array(joints) * scale + (x, y)
    return Pose(keypoints, score)


def person(track_id=1, x=120.0, y=60.0, *, scale=1.0, score=0.9, does=None, fill=1.0):
    return Person(track_id, pose(x, y, scale, score), fill, does)


def result(*people, n=0, fps=25.0, image=None):
    image = np.full((360, 480, 3), 128, np.uint8) if image is None else image
    return FrameResult(Frame(n, n / fps, image), people, {"pose": 12.34567, "capture to decision": 13.5})
