"""Sources of pictures: real recordings, files made here, and a camera that drops out."""

import time

import cv2
import numpy as np
import pytest
import videos

from edge.capture.camera import Camera
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
def test_real_recordings_are_read_whole_with_their_own_times(shared_data, name):
    size, fps, frames = RECORDINGS[name]
    source = open_source(str(shared_data / "media" / name))
    assert source.size == size and source.fps == pytest.approx(fps, rel=0.01) and not source.live
    times, last = [], None
    for n, frame in enumerate(source):
        assert frame.index == n and frame.image.shape == (size[1], size[0], 3) and frame.image.dtype == np.uint8
        times.append(frame.time_s)
        last = frame.image
    source.close()
    # FFmpeg counts what the container says; a picture more or less at its end is nobody's fault.
    assert abs(len(times) - frames) <= 1 and abs(source.length_frames - frames) <= 1
    assert times[0] == 0 and np.diff(times).min() > 0
    assert np.median(np.diff(times)) == pytest.approx(1 / fps, rel=0.03)
    assert last is not None and last.std() > 5


def test_pictures_come_in_order_from_the_first(tmp_path):
    path = videos.write(tmp_path / "a.mp4")
    source = open_source(f"file://{path}")
    frames = list(source)
    assert [videos.number(f.image) for f in frames] == list(range(20))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(20) / 25, atol=1e-3)
    assert "320x240" in source.describe() and "25 frames/s" in source.describe()


def test_the_rotation_flag_of_phones_is_obeyed(tmp_path):
    path = videos.write(tmp_path / "phone.mp4")
    upright = open_source(str(path))
    assert upright.size == (320, 240)
    videos.turn(path)
    source = open_source(str(path))
    assert source.size == (240, 320)
    (frame, *_) = source
    # What was on the upper left, 60 wide and 40 high, is on the upper right after a quarter turn clockwise.
    assert frame.image[5:55, -35:].min() > 200 and frame.image[5:55, :35].max() < 60


@pytest.mark.parametrize("codec", ["MJPG", "XVID"])
def test_a_recording_that_breaks_off_is_an_error_at_its_end_not_a_short_recording(tmp_path, codec):
    path = videos.write(tmp_path / "a.avi", frames=200, codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: int(0.6 * len(data))])
    source, seen = open_source(str(path)), 0
    with pytest.raises(SourceError, match="breaks off"):
        for _ in source:
            seen += 1
    assert seen > 20


@pytest.mark.parametrize("part", [0.0, 0.02, 0.7])
def test_an_mp4_without_its_index_is_refused(tmp_path, capfd, part):
    path = videos.write(tmp_path / "a.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(SourceError, match=r"a\.mp4: not a video that can be read"):
        open_source(str(path))
    assert capfd.readouterr().err == ""


def test_images_come_in_natural_order_at_the_given_rate(tmp_path):
    for n in (10, 9, 2, 1):
        cv2.imwrite(str(tmp_path / f"frame{n}.png"), videos.picture(n))
    (tmp_path / "notes.txt").write_text("no picture")
    source = open_source(str(tmp_path), CaptureConfig(fps=5))
    frames = list(source)
    assert [videos.number(f.image) for f in frames] == [1, 2, 9, 10]
    assert [f.time_s for f in frames] == [0, 0.2, 0.4, 0.6] and source.length_frames == 4


def test_images_that_do_not_fit_together_or_cannot_be_read_are_named(tmp_path):
    with pytest.raises(SourceError, match="no images"):
        open_source(str(tmp_path))
    cv2.imwrite(str(tmp_path / "1.png"), videos.picture(1))
    cv2.imwrite(str(tmp_path / "2.png"), videos.picture(2, width=100))
    with pytest.raises(SourceError, match=r"2\.png: 100x240, but the first image is 320x240"):
        list(open_source(str(tmp_path)))
    (tmp_path / "2.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(SourceError, match=r"2\.png: not an image"):
        list(open_source(str(tmp_path)))


@pytest.mark.parametrize(
    ("uri", "says"),
    [("nowhere.mp4", "no such video"), ("ftp://host/a.mp4", "known: file, "), ("/dev/video77", "no camera opens")],
)
def test_what_cannot_be_opened_is_one_line_with_what_to_do(uri, says):
    with pytest.raises(SourceError, match=says):
        open_source(uri)


@pytest.mark.parametrize("wrong", [{"fps": 0}, {"fps": -5}, {"width": 640}, {"width": 0, "height": 0}])
def test_values_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ConfigError):
        CaptureConfig(**wrong)


class Device:
    """A camera's driver: gives the pictures it is loaded with, then fails."""

    def __init__(self, pictures, fps=30.0):
        self.pictures, self.fps, self.released = list(pictures), fps, False

    def read(self):
        return (True, self.pictures.pop(0)) if self.pictures else (False, None)

    def get(self, _):
        return self.fps

    def release(self):
        self.released = True


def camera(*devices, backoff_s=(0.0, 0.01, 0.02), config=None):
    """A camera that, each time it is opened, gives the next of the devices, then none."""
    waiting = list(devices)
    asked = []

    def open_device(device, config):
        asked.append(device)
        return waiting.pop(0) if waiting else Device([])

    return Camera("/dev/video9", config or CaptureConfig(), open_device=open_device, backoff_s=backoff_s), asked


def test_a_camera_that_drops_out_is_opened_again_and_its_clock_goes_on():
    source, asked = camera(
        Device([videos.picture(n) for n in range(3)]), Device([]), Device([videos.picture(n) for n in (5, 6)])
    )
    seen = []
    with pytest.raises(SourceError, match="did not come back"):
        for frame in source:
            seen.append(frame)
    assert [videos.number(f.image) for f in seen] == [0, 1, 2, 5, 6]
    assert [f.index for f in seen] == [0, 1, 2, 3, 4]
    assert np.diff([f.time_s for f in seen]).min() > 0 and seen[3].time_s - seen[2].time_s >= 0.01
    # Once at first, twice until it was back, three times in vain at the end.
    assert len(asked) == 6


def test_the_waits_between_attempts_are_those_given():
    source, _ = camera(Device([videos.picture(0)]), backoff_s=(0.05, 0.1))
    start = time.monotonic()
    with pytest.raises(SourceError, match="check cable"):
        list(source)
    assert 0.15 <= time.monotonic() - start < 1


def test_a_camera_that_gives_no_picture_is_refused_when_opened():
    with pytest.raises(SourceError, match="no camera opens as /dev/video9"):
        camera(Device([]))


def test_a_camera_without_a_rate_takes_the_one_asked_for_and_is_live():
    source, _ = camera(Device([videos.picture(0)], fps=0.0), config=CaptureConfig(fps=15))
    assert source.fps == 15 and source.live and source.length_frames is None and source.size == (320, 240)
    assert "15 frames/s" in source.describe()
