"""What a new frame costs a stream, against a whole clip of the same student: what the loop chooses a form by."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from edge.contract.bundle import Bundle
from edge.engines.registry import open_engine
from edge.recogniser import STUDENTS, Precision
from edge.streaming.network import open_stream

ROUNDS, WARM_UP = 60, 10


def frames_per_clip(bundle: Bundle, precision: Precision) -> float:
    """So many new frames cost as much as one clip: medians of the wall clock, on one thread, by the ONNX files.

    One clip and one cycle of frames in turn, so that each finds the caches full of the other's weights, as it does
    behind a pose network. Raises EngineError where a network is missing.
    """
    shape, name = bundle.manifest.input_shape, bundle.manifest.input_name
    student = open_engine(bundle.folder / STUDENTS[precision], threads=1)
    stream = open_stream(bundle.folder, precision, threads=1)
    moving = np.random.default_rng(0).standard_normal(shape).cumsum(axis=2) / 10
    clip, person = moving.astype(np.float32), stream.fresh()
    parts = [
        np.ascontiguousarray(clip[:, :, n : n + stream.frames]) for n in range(0, stream.cycle_frames, stream.frames)
    ]

    def cycle() -> None:
        for part in parts:
            stream.step(person, part)

    clip_s, cycle_s = [], []
    for _ in range(WARM_UP + ROUNDS):
        clip_s.append(_seconds(lambda: student.run({name: clip})))
        cycle_s.append(_seconds(cycle))
    student.close()
    stream.close()
    return round(stream.cycle_frames * float(np.median(clip_s[WARM_UP:]) / np.median(cycle_s[WARM_UP:])), 1)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
