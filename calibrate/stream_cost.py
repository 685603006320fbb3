"""Cost of a streamed frame relative to a clip of the same student, by which the loop chooses between the two forms."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edge.contract.bundle import Bundle
from edge.recognition.clip_buffer import ClipBuffer
from edge.recognition.recogniser import STUDENTS, Precision, RecogniserConfig, open_recogniser
from edge.recognition.streaming.recogniser import open_stream_recogniser

ROUNDS, WARM_UP = 60, 10
CAMERA_FRAMES = 2
"""Camera frames per frame of the network: a camera at 30 Hz, a network at 15."""


def frames_per_clip(bundle: Bundle, precision: Precision) -> float:
    """Number of streamed frames that cost as much as one clip, for one person on one thread; from medians.

    Clips and cycles of frames alternate, so that each starts with the other's weights in the processor's caches.
    Processor time counts: a clip takes long enough to be interrupted by other processes, and would seem three times as
    long.
    Raises what opening either form raises.
    """
    config = RecogniserConfig(precision, threads=1)
    # Not the engine built from it: the bundle is for all machines, and waiting for a GPU takes no processor time.
    student = open_recogniser(bundle, replace(config, network=bundle.file(STUDENTS[precision])))
    streaming = open_stream_recogniser(bundle, config)
    how, joints = bundle.manifest.preprocessing, bundle.layout
    stream, buffer, cycle = streaming.new_stream(), ClipBuffer(joints, how), streaming.cycle_frames * CAMERA_FRAMES
    moved = np.random.default_rng(0).standard_normal((ROUNDS + WARM_UP, cycle, len(joints), 2)).cumsum(axis=1)
    clip_s, cycle_s = [], []
    for number, steps in enumerate(300 + moved):
        bodies = np.concatenate([steps, np.ones_like(steps[..., :1])], axis=-1).astype(np.float32)
        busy_s = 0.0
        for frame, body in enumerate(bodies):
            buffer.push(body, (number * cycle + frame) / (how.fps * CAMERA_FRAMES))
            busy_s += _seconds(lambda: stream.advance(buffer))
        cycle_s.append(busy_s)
        clip_s.append(_seconds(lambda: student.recognise([buffer.clip()])))
    student.close()
    streaming.close()
    return round(streaming.cycle_frames * float(np.median(clip_s[WARM_UP:]) / np.median(cycle_s[WARM_UP:])), 1)


def _seconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start
