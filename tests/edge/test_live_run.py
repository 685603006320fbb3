"""``python -m edge run`` in this process, on a camera made for the test."""

import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import videos

from edge.__main__ import COMMANDS
from edge.capture.registry import SCHEMES
from edge.cli.command_line import run_command_line
from edge.contract.errors import OutputError, SourceError
from edge.contract.types import Frame

pytestmark = pytest.mark.usefixtures("blazepose_files")

WAIT_S = 240


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class LiveSource:
    """A camera that shows an empty room, then ends, or raises the given error."""

    uri, fps, size, live, length_frames = "test://camera", 25.0, (320, 240), True, None

    def __init__(self, error):
        self.error = error

    def describe(self):
        return "test camera"

    def cancel(self):
        pass

    def __iter__(self):
        for n in range(20):
            time.sleep(0.05)
            yield Frame(n, n / 25, videos.image(5))
        if self.error:
            raise self.error

    def close(self):
        pass


def live_run(monkeypatch, bundle_folder, out, error=None, source=None):
    monkeypatch.setitem(SCHEMES, "test", lambda rest, config: source or LiveSource(error))
    files = ("--sinks.video", out / "annotated.mp4", "--sinks.json", out / "people.jsonl")
    arguments = ("run", "--source", "test://camera", "--bundle", bundle_folder, *files)
    report = ("--sinks.picture", out / "best.png", "--report", out / "latency.json")
    run_command_line("edge", "", COMMANDS, [str(argument) for argument in (*arguments, *report)])


def test_a_camera_may_see_nobody(monkeypatch, bundle_folder, tmp_path, capsys):
    live_run(monkeypatch, bundle_folder, tmp_path)
    assert "warning: nobody was in view" in capsys.readouterr().err
    # Slow sinks miss frames of a camera; the video then shows the previous one for longer.
    assert len(lines(tmp_path / "people.jsonl")) >= 2 and videos.read(tmp_path / "annotated.mp4")


def test_a_camera_lost_for_good_keeps_the_files_and_is_an_error(monkeypatch, bundle_folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        live_run(monkeypatch, bundle_folder, tmp_path, SourceError("the camera dropped out", hint="check cable"))
    output = capsys.readouterr().err
    assert left.value.code == 2 and output.endswith("error: the camera dropped out; check cable\n")
    assert "capture to decision" in output and len(lines(tmp_path / "people.jsonl")) >= 2


def test_an_error_of_the_system_during_a_run_is_not_one_of_its_report(monkeypatch, bundle_folder, tmp_path, capsys):
    class Failing(LiveSource):
        def __iter__(self):
            yield Frame(0, 0.0, videos.image(5))
            Path(tmp_path / ("n" * 300)).stat()

    with pytest.raises(SystemExit):
        live_run(monkeypatch, bundle_folder, tmp_path, source=Failing(None))
    assert capsys.readouterr().err.endswith("nnn: File name too long; give it a shorter name\n")
    assert not (tmp_path / "latency.json").exists()


def test_a_hanging_stage_exits_the_process_before_anything_is_closed(monkeypatch, bundle_folder, tmp_path, capsys):
    class Hanging(LiveSource):
        answers, closed = threading.Event(), False

        def __iter__(self):
            yield Frame(0, 0.0, videos.image(5))
            # Wait for the result: this test, unlike a process that exits, closes the networks, and none may be running.
            growing, end = tmp_path / "people.partial.jsonl", time.monotonic() + WAIT_S
            while time.monotonic() < end and not (growing.is_file() and growing.read_text()):
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGINT)
            self.answers.wait(30)

        def close(self):
            self.closed = True  # OpenCV would release the camera that another thread reads

    def leave(code):
        left.append((code, source.closed))
        raise SystemExit(code)

    source, left = Hanging(None), []
    monkeypatch.setattr("os._exit", leave)
    monkeypatch.setattr("edge.loop.stage_watchdog.STOP_TIMEOUT_S", 0.2)
    with pytest.raises(SystemExit):
        live_run(monkeypatch, bundle_folder, tmp_path, source=source)
    source.answers.set()
    assert left == [(130, False)]
    assert "abandoned, because it does not respond: capture" in capsys.readouterr().err
    assert len(lines(tmp_path / "people.jsonl")) == 1


def test_an_unfinished_file_is_an_error_and_not_listed_as_written(monkeypatch, bundle_folder, tmp_path, capsys):
    answers, found, poses = threading.Event(), tmp_path / "people.jsonl", tmp_path / "poses.jsonl"

    @contextmanager
    def hanging(path, layout):
        yield lambda result: answers.wait(30)

    def leave(code):
        raise SystemExit(code)

    monkeypatch.setitem(SCHEMES, "test", lambda rest, config: LiveSource(None))
    monkeypatch.setattr("os._exit", leave)
    monkeypatch.setattr("edge.sinks.sink_worker.CLOSE_TIMEOUT_S", 1.0)
    monkeypatch.setattr("edge.sinks.json_lines.json_lines_sink", hanging)
    arguments = ("run", "--source", "test://x", "--bundle", bundle_folder, "--sinks.json", found, "--record", poses)
    with pytest.raises(SystemExit) as left:
        run_command_line("edge", "", COMMANDS, [str(argument) for argument in arguments])
    answers.set()
    output = capsys.readouterr().err.splitlines()
    assert left.value.code == 2 and any(line.startswith(f"error: not written: {found}") for line in output)
    assert [line for line in output if line.startswith("written")] == [f"written  {poses}"]


def test_a_file_that_cannot_be_completed_after_ctrl_c_is_reported(monkeypatch, bundle_folder, tmp_path, capsys):
    class Stopped(LiveSource):
        def __iter__(self):
            yield Frame(0, 0.0, videos.image(5))
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)

    @contextmanager
    def failing(path, layout):
        yield lambda result: None
        raise OutputError("cannot be completed", where=path)

    monkeypatch.setattr("edge.sinks.json_lines.json_lines_sink", failing)
    with pytest.raises(SystemExit) as left:
        live_run(monkeypatch, bundle_folder, tmp_path, source=Stopped(None))
    said = capsys.readouterr().err
    assert left.value.code == 130 and said.endswith("people.jsonl: cannot be completed\n")


def test_ctrl_c_before_the_first_frame_leaves_no_file(monkeypatch, bundle_folder, tmp_path, capsys):
    class Silent(LiveSource):
        def __iter__(self):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
            return iter(())

    with pytest.raises(SystemExit) as left:
        live_run(monkeypatch, bundle_folder, tmp_path, source=Silent(None))
    output = capsys.readouterr().err
    assert left.value.code == 130 and not list(tmp_path.iterdir())
    assert (
        output.splitlines()[-1] == "interrupted before the first frame; nothing was written" and "error" not in output
    )
