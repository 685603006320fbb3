"""Times, frame rate and length of videos with unusual containers, by a scripted decoder."""

import cv2
import numpy as np
import pytest

import edge.capture.video_file
from edge.capture.source import CaptureConfig
from edge.capture.video_file import VideoFile
from edge.contract.errors import SourceError


class Decoder:
    """The part of ``cv2.VideoCapture`` that is used, with a frame at each of the given times."""

    def __init__(self, times_ms, fps, frames):
        self.says = {cv2.CAP_PROP_FPS: fps, cv2.CAP_PROP_FRAME_COUNT: frames}
        self.left = list(times_ms)

    def read(self):
        if not self.left:
            return False, None
        self.says[cv2.CAP_PROP_POS_MSEC] = self.left.pop(0)
        return True, np.zeros((4, 4, 3), np.uint8)

    def get(self, property_id):
        return self.says[property_id]

    def set(self, property_id, value):
        pass

    def isOpened(self):
        return True

    def release(self):
        pass


@pytest.fixture
def video(tmp_path, monkeypatch):
    def opened(times_ms, fps=25.0, frames=0):
        monkeypatch.setattr(edge.capture.video_file, "open_video", lambda path: Decoder(times_ms, fps, frames))
        (tmp_path / "a.mkv").touch()
        return VideoFile(tmp_path / "a.mkv", CaptureConfig())

    return opened


@pytest.mark.parametrize(
    ("times_ms", "times_s"),
    [
        ([5000, 5040, 5200], [0, 0.04, 0.2]),
        # Of an AVI file: its last frames have no times.
        ([0, 40, 0, 0], [0, 0.04, 0.08, 0.12]),
        ([0, 40, 40, 90], [0, 0.04, 0.08, 0.09]),
        ([0, 40, 1_310_960, 120, 160], [0, 0.04, 0.08, 0.12, 0.16]),
    ],
    ids=["begins later", "without times", "equal times", "a damaged time"],
)
def test_times_begin_at_zero_and_rise(video, times_ms, times_s):
    assert [frame.time_s for frame in video(times_ms)] == pytest.approx(times_s)


def test_a_time_base_is_not_taken_for_the_frame_rate(video):
    source = video([0, 33, 67], fps=90_000.0, frames=900_000)
    assert source.fps == 30 and source.length_frames == 300, "ten seconds"
    assert "30 frames/s, 10.0 s" in source.describe()


def test_a_period_of_a_week_is_not_believed(video):
    source = video([0, 586_803_240], fps=1 / 586_803.24)
    assert source.fps == 30 and [frame.time_s for frame in source] == pytest.approx([0, 1 / 30])


@pytest.mark.parametrize(("ends_ms", "is_truncated"), [(94_500, False), (94_400, True)])
def test_a_video_may_end_half_a_second_and_a_twentieth_before_its_header_says(video, ends_ms, is_truncated):
    source = video([0, ends_ms], frames=2500)
    if not is_truncated:
        assert len(list(source)) == 2
        return
    with pytest.raises(SourceError, match=r"the video is truncated: it ends after 94\.4 of 100\.0 s"):
        list(source)
