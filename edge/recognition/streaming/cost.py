"""What a new frame costs a stream, against a whole clip of the same student: what the loop chooses a form by."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from edge.contract.bundle import Bundle
from edge.recognition.clip_buffer import ClipBuffer
from edge.recognition.recogniser import Precision, RecogniserConfig, open_recogniser
from edge.recognition.streaming.recogniser import open_stream_recogniser

ROUNDS, WARM_UP = 60, 10
CAMERA_FRAMES = 2
"""For each frame of the network's: a camera at 30 Hz, a network at 15."""


def frames_per_clip(bundle: Bundle, precision: Precision) -> float:
    """So many new frames cost as much as one clip, each made of one person's keypoints: medians, on one thread.

    One clip and one cycle of frames in turn, so that each finds the caches full of the other's weights.
    Raises what opening either form raises.
    """
    config = RecogniserConfig(precision, threads=1)
    student, stream = open_recogniser(bundle, config), open_stream_recogniser(bundle, config)
    how, joints = bundle.manifest.preprocessing, bundle.layout
    seen, cycle = ClipBuffer(joints, how), stream.cycle_frames * CAMERA_FRAMES
    moved = np.random.default_rng(0).standard_normal((ROUNDS + WARM_UP, cycle, len(joints), 2)).cumsum(axis=1)
    clip_s, cycle_s = [], []
    for number, steps in enumerate(300 + moved):
        bodies = np.concatenate([steps, np.ones_like(steps[..., :1])], axis=-1).astype(np.float32)
        taken_s = 0.0
        for frame, body in enumerate(bodies):
            seen.push(body, (number * cycle + frame) / (how.fps * CAMERA_FRAMES))
            taken_s += _seconds(lambda: stream.advance(1, seen))
        cycle_s.append(taken_s)
        clip_s.append(_seconds(lambda: student.recognise([seen.clip()])))
    student.close()
    stream.close()
    return round(stream.cycle_frames * float(np.median(clip_s[WARM_UP:]) / np.median(cycle_s[WARM_UP:])), 1)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
