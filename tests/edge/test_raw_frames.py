"""Raw frames on stdin."""

import os
import threading
import time
from contextlib import contextmanager, suppress

import cv2
import numpy as np
import pytest
import videos

from edge.capture.raw_frames import RawFrames
from edge.capture.source import CaptureConfig
from edge.contract.errors import ConfigError, SourceError

# Sizes, rates and lengths as ffprobe gives them.

# Raw frames are made with OpenCV's converters.
RAW = {
    "bgr": None,
    "rgb": cv2.COLOR_BGR2RGB,
    "gray": cv2.COLOR_BGR2GRAY,
    "i420": cv2.COLOR_BGR2YUV_I420,
}


@contextmanager
def pipe(data=b"", closed=True):
    """The read end of a pipe to which a program writes data, and then ends or, with closed=False, falls silent."""
    reading, writing = os.pipe()

    def write():
        with suppress(BrokenPipeError), open(writing, "wb", closefd=closed) as stream:
            stream.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield reading
    finally:
        os.close(reading)  # first, or a writer whose data nobody read would wait for ever
        writer.join()
        if not closed:
            os.close(writing)


@pytest.mark.parametrize("codec", RAW)
def test_raw_frames_on_stdin_have_the_given_rate(codec):
    images = [cv2.GaussianBlur(videos.image(n), (31, 31), 0) for n in (3, 8, 13)]
    data = b"".join((image if RAW[codec] is None else cv2.cvtColor(image, RAW[codec])).tobytes() for image in images)
    with pipe(data) as stdin:
        source = RawFrames(CaptureConfig(width=320, height=240, fps=20, codec=codec), stdin)
        frames = list(source)
    assert [f.time_s for f in frames] == [0, 0.05, 0.1] and source.size == (320, 240) and not source.live
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.image.astype(int) - image).max() <= 3


def test_nv12_chroma_is_interleaved():
    # A grey image with one blueish block: Y, then U and V interleaved.
    y, uv = np.full((4, 4), 126, np.uint8), np.full((2, 4), 128, np.uint8)
    uv[0, 0] = 200
    with pipe(y.tobytes() + uv.tobytes()) as stdin:
        (frame,) = RawFrames(CaptureConfig(width=4, height=4, codec="nv12"), stdin)
    blue, green, red = frame.image[0, 0].astype(int)
    assert blue > green and blue > red and np.ptp(frame.image[3, 3]) <= 2


@pytest.mark.parametrize(
    ("config", "data", "says"),
    [
        ({}, b"", "need a size"),
        ({"width": 4, "height": 4}, b"", "no frame received"),
        ({"width": 4, "height": 4}, b"x" * 47, "truncated: 47 of 48 bytes"),
        ({"width": 3, "height": 4, "codec": "i420"}, b"", "even size"),
        ({"width": 4, "height": 4, "codec": "png"}, b"", "known: bgr, rgb"),
    ],
)
def test_invalid_raw_frames_are_refused(config, data, says):
    with pipe(data) as stdin, pytest.raises((ConfigError, SourceError), match=says):
        RawFrames(CaptureConfig(**config), stdin)


def test_a_truncated_last_frame_is_an_error_after_the_whole_ones():
    seen = 0
    with pipe(bytes(12 + 12 + 5)) as stdin:
        source = RawFrames(CaptureConfig(width=2, height=2), stdin)
        with pytest.raises(SourceError, match="truncated: 5 of 12 bytes"):
            for _ in source:
                seen += 1
    assert seen == 2


def test_cancel_ends_a_read_from_a_silent_writer():
    frames = []
    with pipe(bytes(12 + 12 + 5), closed=False) as stdin:
        source = RawFrames(CaptureConfig(width=2, height=2), stdin)
        reader = threading.Thread(target=lambda: frames.extend(source), daemon=True)
        reader.start()
        end = time.monotonic() + 20
        while len(frames) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)  # it waits for the rest of the third
        source.cancel()
        reader.join(2)
        assert not reader.is_alive(), "still waiting for the writer"
    assert len(frames) == 2, "the partial frame is discarded"


def test_a_terminal_as_stdin_is_refused():
    main, terminal = os.openpty()
    try:
        with pytest.raises(SourceError, match="stdin is a terminal"):
            RawFrames(CaptureConfig(width=2, height=2), terminal)
    finally:
        os.close(main)
        os.close(terminal)
