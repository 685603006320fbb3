"""Stages and sources for tests of the loop."""

import numpy as np
import videos

from edge.capture.source import RecordedSource
from edge.contract.layouts import layout
from edge.contract.types import Frame, Pose, PoseResult
from edge.loop.action_stage import ActionStage
from edge.loop.restarts import Restartable, RestartConfig
from edge.recognition.decisions import DecisionConfig
from edge.recognition.recogniser import Recogniser, RecogniserConfig, open_recogniser
from edge.tracking.following import PeopleConfig
from edge.tracking.tracker import Tracker

SCRIPT_LAYOUT = layout("trt_pose-18")
IMAGE = np.zeros((48, 64, 3), np.uint8)


def moving_body(n, x=100.0):
    """(18, 3) in trt_pose's layout: joints swing around fixed positions."""
    rng = np.random.default_rng(5)
    at = rng.uniform(0, 150, (18, 2)) + np.array([x, 60])
    swing = 12 * np.sin(n / 5 + np.arange(18))[:, None]
    return np.column_stack([at + swing, np.ones(18)]).astype(np.float32)


def pose_result(n, time_s, bodies, image=IMAGE):
    """A result of the pose stage; bodies: None for a failure."""
    frame = Frame(n, time_s, image)
    if bodies is None:
        return PoseResult(frame, (), "pose: out of memory")
    return PoseResult(frame, tuple(Pose(keypoints, 0.9) for keypoints in bodies))


def action_stage(bundle, *, open_recogniser=None, warn=lambda text: None, follow="all", **decisions):
    """An action stage whose decisions are the student's outputs, unsmoothed, unless ``decisions`` says otherwise."""
    opened = open_recogniser or (lambda: real_recogniser(bundle))
    config = DecisionConfig(**{"smoothing": 1, "min_score": 0.0, "lead": 0.0, **decisions})
    recogniser = Restartable("action", opened, RestartConfig(), warn)
    return ActionStage(bundle, SCRIPT_LAYOUT, Tracker(SCRIPT_LAYOUT), recogniser, config, PeopleConfig(follow))


class ClipStudent:
    """Base of stand-ins for the student: they define ``recognise`` only."""

    every_frame, bodies, network_s = False, 1, 0.0
    read = Recogniser.read

    def close(self):
        pass


def real_recogniser(bundle):
    return open_recogniser(bundle, RecogniserConfig(threads=1))


class Frames(RecordedSource):
    """A recording of ``count`` frames, or a camera if ``live``; then raises ``error``, if given."""

    uri, fps, size = "recording", 25.0, (320, 240)

    def __init__(self, count, error=None, live=False, pause_s=0.0):
        self.count, self.error, self.live, self.pause = count, error, live, pause_s
        self.length_frames = None if live else count
        self.cancelled = False

    def __iter__(self):
        import time

        for n in range(self.count):
            time.sleep(self.pause)
            if self.cancelled:
                return
            yield Frame(n, n / self.fps, videos.image(n))
        if self.error:
            raise self.error

    def cancel(self):
        self.cancelled = True

    def describe(self):
        return "test frames"

    def close(self):
        pass
