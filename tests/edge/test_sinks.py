"""Files are complete after a run and absent after an error."""

import os
import resource
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import videos
from people import PENN, person, result

import edge.sinks.video as sinks_video
from edge.contract.errors import ConfigError, OutputError
from edge.drawing.overlay import Overlay
from edge.sinks.config import SinkConfig
from edge.sinks.json_lines import json_lines_sink
from edge.sinks.picture import picture_sink
from edge.sinks.video import video_sink


class Plain:
    """An overlay that draws nothing, so that frames can be told apart."""

    def render(self, result):
        return result.frame.image


def numbered(n, fps=25.0, time_s=None):
    given = result(n=n, fps=fps, image=videos.image(n))
    if time_s is None:
        return given
    return type(given)(type(given.frame)(n, time_s, given.frame.image), (), {})


@contextmanager
def small_files():
    """Limit files to 20 kB, as a full disk would.

    Not a fixture: the limit would also hold for the file that pytest's own report may go to.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", None), ("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "mp4v"), ("A.WEBM", None)]
)
def test_the_video_has_every_frame_at_the_frame_rate_of_the_source(tmp_path, capfd, name, codec):
    path = tmp_path / "new" / "folder" / name
    assert SinkConfig(video=path).files == {"video": path}
    with video_sink(path, Plain(), fps=25, size=(320, 240), codec=codec) as sink:
        for n in range(20):
            sink(numbered(n))
    assert [videos.number(image) for image in videos.read(path)] == list(range(20))
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(25)
    assert [p.name for p in path.parent.iterdir()] == [name]
    assert capfd.readouterr().err == ""


def test_frames_are_repeated_so_that_a_slow_camera_plays_in_real_time(tmp_path):
    path = tmp_path / "a.mp4"
    with video_sink(path, Plain(), fps=10, size=(320, 240)) as sink:
        for n, time_s in enumerate((0.0, 0.1, 0.42, 0.44, 0.7)):
            sink(numbered(n, time_s=time_s))
    # 0.44 s falls into the same tenth as 0.42 s, which is shown already, yet it is what 0.5 and 0.6 s show.
    assert [videos.number(image) for image in videos.read(path)] == [0, 1, 1, 1, 2, 3, 3, 4]


def test_times_in_whole_milliseconds_neither_repeat_nor_drop_a_frame(tmp_path):
    path = tmp_path / "a.mp4"
    with video_sink(path, Plain(), fps=30, size=(320, 240)) as sink:
        for n in range(20):
            sink(numbered(n, time_s=int(1000 * n / 30) / 1000))
    assert [videos.number(image) for image in videos.read(path)] == list(range(20))


def test_the_last_frame_is_repeated_while_a_camera_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.sinks.video.REPEAT_INTERVAL_S", 0.02)
    monkeypatch.setattr("edge.sinks.video.REPEAT_DELAY_S", 0.5)
    path, written, now = tmp_path / "a.mp4", [], [0.0]
    monkeypatch.setattr(sinks_video, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Noting:
        def __init__(self, writer):
            self.writer, self.release = writer, writer.release

        def write(self, image):
            self.writer.write(image)
            written.append(now[0])

    opened = sinks_video._open
    monkeypatch.setattr(sinks_video, "_open", lambda *given: Noting(opened(*given)))
    with video_sink(path, Plain(), fps=20, size=(320, 240), live=True) as sink:
        sink(numbered(3, time_s=0.0))
        for seconds, frames in ((0.9, 8), (1.5, 20)):  # what has passed for good
            now[0] = seconds
            end = time.monotonic() + 20
            while len(written) < frames and time.monotonic() < end:
                time.sleep(0.02)
            time.sleep(0.1)
            assert len(written) == frames
        # Taken before the gap ended, and still in time for its own place in the video.
        sink(numbered(4, time_s=1.2))
        sink(numbered(5, time_s=1.6))
    assert [videos.number(image) for image in videos.read(path)] == [3] * 24 + [4] * 8 + [5]


def test_nothing_is_repeated_before_the_first_frame(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.sinks.video.REPEAT_INTERVAL_S", 0.01)
    monkeypatch.setattr("edge.sinks.video.REPEAT_DELAY_S", 0.0)
    path = tmp_path / "a.mp4"
    with video_sink(path, Plain(), fps=1, size=(320, 240), live=True) as sink:
        time.sleep(0.1)
        sink(numbered(7, time_s=0.0))
        sink(numbered(8, time_s=1.0))
    assert [videos.number(image) for image in videos.read(path)] == [7, 8]


@pytest.mark.parametrize("size", [(321, 241), (64, 2), (17, 33)])
def test_odd_sizes_can_be_recorded(tmp_path, size):
    path = tmp_path / "a.mp4"
    with video_sink(path, Plain(), fps=25, size=size) as sink:
        for n in range(5):
            sink(result(n=n, image=np.full((size[1], size[0], 3), 99, np.uint8)))
    images = videos.read(path)
    assert len(images) == 5 and abs(int(images[0].mean()) - 99) < 12


def test_an_error_leaves_no_new_file_and_keeps_the_old_one(tmp_path):
    old = tmp_path / "a.mp4"
    old.write_text("older")
    with pytest.raises(ValueError, match="elsewhere"), video_sink(old, Plain(), fps=25, size=(320, 240)) as sink:
        sink(numbered(0))
        raise ValueError("elsewhere")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"] and old.read_text() == "older"


@pytest.mark.parametrize(("name", "frames"), [("a.mp4", 30), ("a.mp4", 1), ("a.avi", 30)])
def test_a_full_disk_is_an_error_although_opencv_reports_none(tmp_path, name, frames):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(frames)]
    with (
        small_files(),
        pytest.raises(OutputError, match="free space"),
        video_sink(tmp_path / name, Plain(), fps=25, size=(320, 240)) as sink,
    ):
        for n in range(frames):
            sink(result(n=n, image=noise[n]))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_a_full_disk_is_reported_once_while_the_run_goes_on(tmp_path, name):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("this container may not mount")
    rng, warnings, found = np.random.default_rng(0), [], []
    try:
        with (
            pytest.raises(OutputError, match="of 60 frames can be read back"),
            video_sink(tmp_path / name, Plain(), fps=25, size=(320, 240), codec="MJPG", warn=warnings.append) as sink,
        ):
            for n in range(60):
                sink(result(n=n, image=rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)))
                found.append(len(warnings))
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert found[0] == 0 and found[-1] == 1 and "the disk is full or refuses frames; free space" in warnings[0]


def test_the_error_of_a_full_disk_names_the_file_that_could_not_be_written(tmp_path):
    picture, lines = tmp_path / "best.png", tmp_path / "people.jsonl"
    with (
        small_files(),
        pytest.raises(OutputError, match=r"people\.jsonl: cannot be written"),
        picture_sink(picture, Overlay(PENN), 2.0),
        json_lines_sink(lines, PENN) as sink,
    ):
        for n in range(100):
            sink(result(person(), n=n))
    assert not list(tmp_path.iterdir())


def test_an_unknown_codec_is_refused_before_the_run(tmp_path):
    with (
        pytest.raises(OutputError, match="mp4v"),
        video_sink(tmp_path / "a.mp4", Plain(), fps=25, size=(320, 240), codec="zzzz"),
    ):
        pass
    assert not list(tmp_path.iterdir())
    for codec in ("h264!", "av1"):
        with pytest.raises(ConfigError, match="mp4v"):
            SinkConfig(codec=codec)


def test_paths_that_cannot_be_written_are_refused_before_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="file"), json_lines_sink(tmp_path / "file" / "a.jsonl", PENN):
        pass
    with (
        pytest.raises(OutputError, match="it is a folder"),
        picture_sink(tmp_path / "folder.png", Plain(), 2.0),
    ):
        pass


@pytest.mark.parametrize(("sink", "name"), [("picture", "best.gif"), ("video", "a.jpg")])
def test_unknown_suffixes_are_refused(sink, name):
    with pytest.raises(ConfigError, match="use the suffix"):
        SinkConfig(**{sink: Path(name)})
