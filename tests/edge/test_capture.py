"""File, image folder and stdin sources, with real recordings and generated files."""

import math
import os
import struct
import tempfile
import threading
import time
import zlib
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
import videos

from edge.capture.opencv import open_video
from edge.capture.registry import open_source
from edge.capture.source import CaptureConfig
from edge.contract.errors import ConfigError, SourceError

# Sizes, rates and lengths as ffprobe gives them.
RECORDINGS = {
    "felixchenfy_exercise.avi": ((384, 288), 10, 393),
    "sports2d_demo.mp4": ((1768, 994), 30, 230),
    "streamposeml_example.webm": ((1280, 720), 30, 382),
    "pose2sim_single_cam01.mp4": ((1080, 1920), 60, 100),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_real_recordings_are_read_completely_with_their_own_times(shared_data, name):
    size, fps, frames = RECORDINGS[name]
    source = open_source(str(shared_data / "media" / name))
    assert source.size == size and source.fps == pytest.approx(fps, rel=0.01) and not source.live
    times, last = [], None
    for n, frame in enumerate(source):
        assert frame.index == n and frame.image.shape == (size[1], size[0], 3) and frame.image.dtype == np.uint8
        times.append(frame.time_s)
        last = frame.image
    source.close()
    # ffprobe's count comes from the container and may be off by one.
    assert abs(len(times) - frames) <= 1 and abs(source.length_frames - frames) <= 1
    assert times[0] == 0 and np.diff(times).min() > 0
    assert np.median(np.diff(times)) == pytest.approx(1 / fps, rel=0.03)
    assert last is not None and last.std() > 5


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (6, 5)])
def test_decoding_leaves_one_core_to_the_pose_stage(shared_data, monkeypatch, cores, threads):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    capture = open_video(str(shared_data / "media" / "sports2d_demo.mp4"))
    assert capture.isOpened() and capture.get(cv2.CAP_PROP_N_THREADS) == threads


def test_an_opencv_without_the_thread_option_can_decode(shared_data, monkeypatch):
    monkeypatch.delattr(cv2, "CAP_PROP_N_THREADS")
    assert open_video(str(shared_data / "media" / "sports2d_demo.mp4")).read()[0]


def test_frames_are_in_order_from_the_first(tmp_path):
    path = videos.write(tmp_path / "a.mp4")
    source = open_source(f"file://{path}")
    frames = list(source)
    assert [videos.number(f.image) for f in frames] == list(range(20))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(20) / 25, atol=1e-3)
    assert "320x240" in source.describe() and "25 frames/s" in source.describe()


def test_the_rotation_flag_of_phones_is_applied(tmp_path):
    path = videos.write(tmp_path / "phone.mp4")
    upright = open_source(str(path))
    assert upright.size == (320, 240)
    videos.turn(path)
    source = open_source(str(path))
    assert source.size == (240, 320)
    (frame, *_) = source
    # The white 60x40 corner moves from upper left to upper right with a quarter turn clockwise.
    assert frame.image[5:55, -35:].min() > 200 and frame.image[5:55, :35].max() < 60


@pytest.mark.parametrize("name", ["12:30.mp4", "http:a.mp4", "a|b.mp4"])
def test_a_relative_name_is_read_as_a_file_whatever_it_contains(tmp_path, monkeypatch, name):
    videos.write(tmp_path / name, 3)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_source(name))) == 3


@pytest.mark.parametrize("codec", ["MJPG", "XVID"])
def test_a_truncated_video_is_an_error_at_its_end(tmp_path, codec):
    path = videos.write(tmp_path / "a.avi", frames=200, codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: int(0.6 * len(data))])
    source, seen = open_source(str(path)), 0
    with pytest.raises(SourceError, match="truncated"):
        for _ in source:
            seen += 1
    assert seen > 20


@pytest.mark.parametrize("part", [0.0, 0.02, 0.7])
def test_an_mp4_without_its_index_is_refused(tmp_path, capfd, part):
    path = videos.write(tmp_path / "a.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(SourceError, match=r"a\.mp4: not a readable video"):
        open_source(str(path))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["video", "image"])
def test_a_file_that_may_not_be_read_is_not_reported_as_damaged(kind):
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        if kind == "video":
            path = closed = videos.write(Path(folder) / "a.mp4", frames=2)
        else:
            path, closed = Path(folder), Path(folder) / "a.png"
            cv2.imwrite(str(closed), videos.image(1))
        closed.chmod(0)
        Path(folder).chmod(0o755)
        try:
            os.seteuid(user or 54321)
            with pytest.raises(SourceError, match="cannot be read: Permission denied"):
                open_source(str(path))
        finally:
            os.seteuid(user)


def test_a_video_over_http_is_read_whatever_the_backend(tmp_path):
    videos.write(tmp_path / "a.mp4", frames=5)
    serve = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = open_source(f"http://127.0.0.1:{server.server_port}/a.mp4", CaptureConfig(backend="gstreamer"))
        assert [videos.number(frame.image) for frame in source] == [0, 1, 2, 3, 4] and not source.live
        source.close()
        server.shutdown()


def test_a_video_whose_server_stalls_ends_at_once_when_cancelled(tmp_path):
    data, resumed = videos.write(tmp_path / "a.avi", frames=200, codec="MJPG").read_bytes(), threading.Event()

    class Stalling(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            resumed.wait(30)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stalling) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source, seen, cancelled_s = open_source(f"http://127.0.0.1:{server.server_port}/a.avi"), 0, []
        timer = threading.Timer(1.0, lambda: (cancelled_s.append(time.monotonic()), source.cancel()))
        timer.start()
        for _ in source:
            seen += 1
        source.close()
        took_s = time.monotonic() - cancelled_s[0]
        resumed.set()
        server.shutdown()
    assert 20 < seen < 200 and took_s < 2.5, "closing waits one second for the read"


def test_images_are_in_natural_order_at_the_given_rate(tmp_path):
    for n in (10, 9, 2, 1):
        cv2.imwrite(str(tmp_path / f"frame{n}.png"), videos.image(n))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._frame1.png").write_text("written by macOS")
    source = open_source(str(tmp_path), CaptureConfig(fps=5))
    frames = list(source)
    assert [videos.number(f.image) for f in frames] == [1, 2, 9, 10]
    assert [f.time_s for f in frames] == [0, 0.2, 0.4, 0.6] and source.length_frames == 4


def test_images_of_another_size_or_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(SourceError, match="no images"):
        open_source(str(tmp_path))
    cv2.imwrite(str(tmp_path / "1.png"), videos.image(1))
    cv2.imwrite(str(tmp_path / "2.png"), videos.image(2, width=100))
    with pytest.raises(SourceError, match=r"2\.png: 100x240, but the first image is 320x240"):
        list(open_source(str(tmp_path)))
    (tmp_path / "2.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(SourceError, match=r"2\.png: not a readable image"):
        list(open_source(str(tmp_path)))


@pytest.mark.parametrize(
    "wrong",
    [
        *({"fps": 0}, {"fps": -5}, {"width": 640}, {"width": 0, "height": 0}, {"flip": "sideways"}),
        *({"backend": "magic"}, {"stall_s": 0}, {"stall_s": 1e300}, {"give_up_s": -1}, {"give_up_s": math.nan}),
    ],
)
def test_invalid_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        CaptureConfig(**wrong)


@pytest.mark.parametrize(
    ("flip", "corner"),
    [
        ("horizontal", (slice(0, 40), slice(-60, None))),
        ("vertical", (slice(-40, None), slice(0, 60))),
        ("rotate-180", (slice(-40, None), slice(-60, None))),
        ("clockwise", (slice(0, 60), slice(-40, None))),
        ("counterclockwise", (slice(-60, None), slice(0, 40))),
    ],
)
def test_frames_are_flipped_by_an_option_or_a_setting(tmp_path, flip, corner):
    # The white upper left corner is 60 wide and 40 high.
    path = videos.write(tmp_path / "a.mp4", frames=2)
    for source in (open_source(f"file://{path}?flip={flip}"), open_source(str(path), CaptureConfig(flip=flip))):
        (frame, _) = source
        assert frame.image[corner].min() > 200 and frame.image[100:140, 100:140].max() < 60
        assert source.size == (frame.image.shape[1], frame.image.shape[0])


def test_a_video_without_frames_is_refused(tmp_path):
    path = tmp_path / "empty.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    writer.release()
    with pytest.raises(SourceError, match=r"not a readable video|video has no frames"):
        open_source(str(path))


def test_an_image_with_more_pixels_than_opencv_allows_is_refused(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + pixels + chunk(b"IEND", b""))
    with pytest.raises(SourceError, match=r"a\.png: not a readable image"):
        open_source(str(tmp_path))
