"""The timecode: drawn and read, refused if covered, and as old as the displayed frame."""

import itertools
import time
import zlib
from contextlib import nullcontext

import cv2
import numpy as np
import pytest
from fresh_memory import Arrays
from hypothesis import given
from hypothesis import strategies as st
from parts import Frames, action_stage, moving_body

from edge.bench.display_run import TimecodeSource, timecode_sink
from edge.bench.time_code import CELLS, draw, read
from edge.contract.bundle import read_bundle
from edge.contract.layouts import layout
from edge.contract.types import Frame, FrameResult, Pose, PoseResult
from edge.drawing.overlay import Overlay
from edge.image_pool import MAX_FREE
from edge.latency import LatencyHistory
from edge.loop.outcome import Limits
from edge.loop.pipeline import Pipeline
from edge.sinks.sink_worker import SinkOptions, SinkWorker

NOISE = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)


@given(st.integers(0, 2**32 - 1), st.integers(CELLS, 400), st.integers(8, 300))
def test_what_is_drawn_is_read(ticks, width, height):
    image = np.full((height, width, 3), 90, np.uint8)
    draw(image, ticks)
    assert read(image) == ticks and (image[: height - max(4, round(height / 40))] == 90).all()


def test_the_cells_are_the_bits_of_the_count_and_a_check():
    image = np.zeros((200, 400, 3), np.uint8)
    draw(image, 0b1011)
    cells = [int(image[-1, 10 * n + 5, 0] == 255) for n in range(40)]
    check = (zlib.crc32(b"\0\0\0\x0b") & 0xFF) ^ 0x5A
    assert cells[:32] == [0] * 28 + [1, 0, 1, 1] and cells[32:] == [int(bit) for bit in f"{check:08b}"]


@pytest.mark.parametrize("quality", [20, 60, 95])
def test_the_timecode_survives_lossy_compression(quality):
    image = NOISE.copy()
    draw(image, 3_141_592_653)
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    assert read(cv2.imdecode(coded, cv2.IMREAD_COLOR)) == 3_141_592_653


def test_a_missing_or_covered_timecode_is_not_read():
    image = NOISE.copy()
    assert read(np.zeros_like(image)) is None and read(np.full_like(image, 255)) is None and read(image) is None
    draw(image, 123_456_789)
    cell = image[-8:, 5 * 16 : 6 * 16]
    cell[:] = 255 - cell
    assert read(image) is None


class See:
    """A pose stage that takes a known time per frame."""

    layout = layout("trt_pose-18")

    def __init__(self, seconds):
        self.seconds = seconds

    def describe(self):
        return "a pause"

    def estimate(self, frame):
        time.sleep(self.seconds)
        return PoseResult(frame, (Pose(moving_body(frame.index), 0.9),))

    def close(self):
        pass


class Noted(Frames):
    """Frames whose request times, before arrival, are recorded."""

    def __init__(self, count):
        super().__init__(count)
        self.asked = {}

    def __iter__(self):
        for frame in super().__iter__():
            self.asked[frame.index] = time.perf_counter()
            yield frame


def watched(bundle_folder, frames, pose_s, show_s):
    """The ages, the run, the worker, and for each frame the milliseconds from request to display."""
    action, overlay, history = action_stage(read_bundle(bundle_folder)), Overlay(See.layout), LatencyHistory(0)
    ages_ms, source, within_ms = [], Noted(frames), []

    receive = timecode_sink(overlay, ages_ms, lambda image: time.sleep(show_s))

    def sink(result):
        receive(result)
        within_ms.append(1000 * (time.perf_counter() - source.asked[result.frame.index]))

    worker = SinkWorker("display", nullcontext(sink), SinkOptions(images=True, annotated=True), overlay, history)
    outcome = Pipeline(TimecodeSource(source), See(pose_s), action, [worker], history, limits=Limits()).run()
    action.close()
    return ages_ms, outcome, worker, within_ms


def test_an_age_is_right_when_the_count_begins_again(monkeypatch):
    image = np.zeros((480, 640, 3), np.uint8)
    draw(image, 2**32 - 5)
    monkeypatch.setattr("edge.bench.display_run.time.perf_counter", lambda: (2**32 + 5) / 10_000)
    ages_ms = []
    sink = timecode_sink(Overlay(layout("penn-13")), ages_ms, lambda image: None)
    sink(FrameResult(Frame(0, 0.0, image), (), {}))
    assert ages_ms == [1.0]


def test_the_measured_age_is_the_processing_time(bundle_folder):
    # 0.12 s in the pose stage and 0.05 s to display; the upper bound includes what a busy machine adds.
    ages_ms, outcome, worker, within_ms = watched(bundle_folder, frames=12, pose_s=0.12, show_s=0.05)
    assert len(ages_ms) == outcome.frames - worker.dropped >= 2
    assert len(ages_ms) == len(within_ms)
    assert all(169.9 <= age <= within + 0.2 for age, within in zip(ages_ms, within_ms, strict=True))


def test_a_recording_plays_as_a_camera_that_does_not_wait(bundle_folder):
    # Twenty frames in 0.8 s; a stage that takes 0.2 s per frame can process only a few.
    _, outcome, _, _ = watched(bundle_folder, frames=20, pose_s=0.2, show_s=0.0)
    assert outcome.frames < 12 and outcome.frames + outcome.dropped == 20


def test_frames_with_a_timecode_keep_their_pace_and_leave_the_recordings_frames_unchanged():
    own = [frame.image.copy() for frame in Frames(3)]
    now = [100.0]
    stamped = list(TimecodeSource(Frames(3), clock=lambda: now[0]))
    assert [read(frame.image) for frame in stamped] == [1_000_000] * 3
    for frame, image in zip(stamped, own, strict=True):
        assert (frame.image[:200] == image[:200]).all()


def test_drawing_timecodes_reuses_memory():
    """Page faults of new memory would distort the measurement."""
    arrays, seconds = Arrays(), itertools.count()  # so late that no frame is waited for
    for frame in TimecodeSource(Frames(20), clock=lambda: float(next(seconds))):
        arrays.look(frame.image)
    assert arrays.count <= 1 + MAX_FREE
