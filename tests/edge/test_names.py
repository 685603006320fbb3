"""Names that are not UTF-8, as disks written by older systems have them: one line, where OpenCV ends the process."""

import os
from pathlib import Path

import cv2
import networks
import pytest
import videos
from people import PENN, result

from calibrate.images import evenly_spaced
from edge.__main__ import COMMANDS
from edge.capture.registry import open_source
from edge.cli.command_line import run_command_line
from edge.contract.errors import EngineError, OutputError, SourceError
from edge.drawing.overlay import Overlay
from edge.engines.registry import open_engine
from edge.sinks.video import video_sink
from train.quantise_aware.pose_images import load_images

LATIN = os.fsdecode("Straße".encode("latin-1"))
"""Of ISO 8859-1."""


def test_a_video_of_such_a_name_is_refused(tmp_path):
    path = tmp_path / f"{LATIN}.mp4"
    videos.write(tmp_path / "a.mp4").rename(path)
    for look in (lambda: open_source(str(path)), lambda: evenly_spaced(path, 2)):
        with pytest.raises(SourceError, match="not UTF-8"):
            look()


def test_a_folder_with_such_an_image_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), videos.image(1))
    (tmp_path / "a.png").rename(tmp_path / f"{LATIN}.png")
    for look in (
        lambda: open_source(str(tmp_path)),
        lambda: evenly_spaced(tmp_path, 2),
        lambda: list(load_images(tmp_path, 2)),
    ):
        with pytest.raises(SourceError, match="not UTF-8"):
            look()


def test_below_a_folder_of_such_a_name_no_video_is_written(tmp_path):
    folder = tmp_path / LATIN
    with (
        pytest.raises(OutputError, match="not UTF-8"),
        video_sink(folder / "a.mp4", Overlay(PENN), fps=25, size=(64, 64)),
    ):
        pass
    assert not list(folder.iterdir())


def test_a_network_below_a_folder_of_such_a_name_is_not_called_damaged(tmp_path):
    (tmp_path / LATIN).mkdir()
    with pytest.raises(EngineError, match="not UTF-8, as ONNX Runtime requires; rename it"):
        open_engine(networks.student(tmp_path / LATIN / "a.onnx"))


@pytest.mark.parametrize("flag", ["--source", "--bundle", "--sinks.json", "--report", "--config"])
def test_a_command_line_with_such_a_name_is_refused(capsys, flag):
    with pytest.raises(SystemExit) as left:
        run_command_line("edge", "", COMMANDS, ["run", flag, f"{LATIN}.x"])
    output = capsys.readouterr().err
    assert (
        left.value.code == 2 and r"Stra\udcdfe.x" in output and "rename it" in output and len(output.splitlines()) == 1
    )


def test_names_in_any_script_with_blanks_are_taken(tmp_path):
    path = tmp_path / "Mein Ordner ä" / "日本 клип 1.mp4"
    path.parent.mkdir()
    videos.write(path, frames=3)
    source = open_source(str(path))
    with video_sink(Path(f"{path.parent}/ausgäbe 2.mp4"), Overlay(PENN), fps=25, size=(320, 240)) as sink:
        for frame in source:
            sink(result(n=frame.index, image=frame.image))
    source.close()
    assert len(videos.read(path.parent / "ausgäbe 2.mp4")) == 3
