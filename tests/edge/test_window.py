"""The window on a virtual screen; without one, an error in one line instead of a crash."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.bench.display_run import display_run
from edge.capture.replay import Replay
from edge.contract.errors import OutputError
from edge.loop.config import RunConfig
from edge.recognition.recogniser import RecogniserConfig
from edge.sinks.sink import StopRequested
from edge.sinks.window import open_window
from edge.sinks.window_process import TITLE

HAS_WINDOWS = "GUI:                           NONE" not in cv2.getBuildInformation()

GREEN = (40, 180, 90)
IMAGE = np.full((360, 480, 3), GREEN, np.uint8)
"""OpenCV's default window is 400 wide."""


@pytest.fixture
def display(tmp_path: Path, monkeypatch):
    """The process of a virtual screen with its frame buffer in the folder; DISPLAY names it."""
    if not HAS_WINDOWS:
        pytest.skip("this OpenCV was built without windows")
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("apt install xvfb")
    read, write = os.pipe()
    arguments = ["-displayfd", str(write), "-screen", "0", "800x600x24", "-fbdir", str(tmp_path), "-nolisten", "tcp"]
    process = subprocess.Popen([server, *arguments], pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        assert number.isdecimal()
        monkeypatch.setenv("DISPLAY", f":{number}")
        yield process
    finally:
        process.kill()
        process.wait()


def on_screen(folder: Path) -> np.ndarray:
    """(600, 800, 3) content of the virtual screen, from its frame buffer, an X window dump."""
    raw = (folder / "Xvfb_screen0").read_bytes()
    header, colours = (int.from_bytes(raw[at : at + 4], "big") for at in (0, 76))
    pixels = np.frombuffer(raw[header + 12 * colours :][: 600 * 800 * 4], np.uint8)
    return pixels.reshape(600, 800, 4)[..., :3]


def part_shown(folder: Path) -> float:
    """Fraction of the screen in the colour of the test's images."""
    return float((np.abs(on_screen(folder).astype(int) - GREEN).max(axis=2) < 12).mean())


class ClientMessage(ctypes.Structure):
    """XClientMessageEvent, as large as an XEvent."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("rest", ctypes.c_long * 16),
    )


def click_close(window: int, display: str) -> None:
    """Send what a window manager sends to close a window (ICCCM 4.2.8.1, WM_DELETE_WINDOW)."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype, x11.XInternAtom.restype = ctypes.c_void_p, ctypes.c_ulong
    connection = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
    protocols, delete = (x11.XInternAtom(connection, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    message = ClientMessage(33, window=window, message_type=protocols, format=32)
    message.data[0] = delete
    x11.XSendEvent(connection, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(message))
    x11.XFlush(connection)
    x11.XCloseDisplay(connection)


@contextmanager
def painted(folder: Path):
    """An open window that the screen shows, 480x360 of 800x600.

    Without a window manager Qt sometimes misses on a busy machine that its window is visible and never paints it, so
    try again.
    """
    for _ in range(6):
        with open_window() as window:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                window.show(IMAGE)
                if part_shown(folder) > 0.3:
                    yield window
                    return
                time.sleep(0.05)
    raise AssertionError("no window was ever painted")


@pytest.mark.parametrize("by", ["q", "Escape", "close button"])
@pytest.mark.parametrize("is_lost", [False, True])
def test_images_are_shown_and_the_user_can_end_the_run_also_while_the_camera_is_lost(tmp_path, display, by, is_lost):
    if (xdotool := shutil.which("xdotool")) is None:
        pytest.skip("apt install xdotool")
    with painted(tmp_path) as window:
        search = [xdotool, "search", "--name", "skd-edge"]
        if by == "close button":
            found = subprocess.run(search, check=True, capture_output=True, timeout=30)
            click_close(int(found.stdout.split()[0]), os.environ["DISPLAY"])
        else:
            subprocess.run([*search, "windowfocus", "key", by], check=True, timeout=30)
        end = time.monotonic() + 20
        with pytest.raises(StopRequested):
            while time.monotonic() < end:
                window.check() if is_lost else window.show(IMAGE)
                time.sleep(0.02)


def test_images_may_have_any_size(tmp_path, display):
    with painted(tmp_path) as window:
        for height, width in ((1, 1), (994, 1768), (240, 320)):
            window.show(np.zeros((height, width, 3), np.uint8))


def test_the_current_folder_may_have_a_file_named_as_this_package(tmp_path, display, monkeypatch):
    (tmp_path / "edge.py").touch()
    monkeypatch.chdir(tmp_path)
    with open_window() as window:
        window.show(IMAGE)


def test_the_window_closes_with_the_block_also_on_a_screen_that_hangs(tmp_path, display):
    with painted(tmp_path) as window:
        display.send_signal(signal.SIGSTOP)
        window.check()
    assert window._process.returncode == -signal.SIGKILL


def test_a_screen_that_dies_is_an_error(tmp_path, display):
    with painted(tmp_path) as window:
        display.kill()
        end = time.monotonic() + 20
        with pytest.raises(OutputError, match="the window was lost"):
            while time.monotonic() < end:
                window.show(IMAGE)


def test_a_benchmark_notices_that_its_window_is_gone_while_no_frame_comes(display, bundle_folder, replay, monkeypatch):
    def silent(_):
        display.kill()
        stopped.wait(30)
        return iter(())

    stopped = threading.Event()
    monkeypatch.setattr(Replay, "__iter__", silent)
    monkeypatch.setattr(Replay, "cancel", lambda _: stopped.set())
    with pytest.raises(OutputError, match="the window was lost"):
        display_run(RunConfig(replay, bundle_folder, recogniser=RecogniserConfig(threads=1)), 0, "window")


@contextmanager
def run_with_a_window(folder: Path, *options: str | Path):
    """A run of images on stdin whose window the screen shows, see painted. Its standard error is in said.txt."""
    said, partial = folder / "said.txt", folder / "people.partial.jsonl"
    source = ("--source", "-?width=480&height=360", "--sinks.show", "true", "--sinks.json", folder / "people.jsonl")
    for _ in range(6):
        with said.open("w") as stderr:
            command = [sys.executable, "-m", "edge", "run", *source, *options]
            run = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=stderr)
        feeder = threading.Thread(target=feed, args=(run.stdin.fileno(),), daemon=True)
        feeder.start()
        try:
            wait_for(lambda: partial.is_file() and len(partial.read_text().splitlines()) > 10)
            time.sleep(1)
            if part_shown(folder) > 0.3:
                yield run
                return
        finally:
            run.kill()
            run.wait()
            feeder.join()
            run.stdin.close()
            partial.unlink(missing_ok=True)
    raise AssertionError("no window was ever painted")


def feed(pipe: int):
    with suppress(OSError):
        while True:
            os.write(pipe, IMAGE.tobytes())


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGSTOP, 130), (signal.SIGKILL, 2)])
@pytest.mark.usefixtures("blazepose_files")
def test_a_run_ends_although_its_screen_hangs_or_dies(tmp_path, display, bundle_folder, signum, code):
    people, partial = tmp_path / "people.jsonl", tmp_path / "people.partial.jsonl"
    with run_with_a_window(tmp_path, "--bundle", bundle_folder) as run:
        window = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text())
        display.send_signal(signum)
        if signum == signal.SIGSTOP:
            time.sleep(1)
            run.send_signal(signal.SIGINT)
        assert run.wait(60) == code
        wait_for(lambda: not is_running(window))
        assert not partial.exists()
    said = (tmp_path / "said.txt").read_text()
    lines = said.splitlines()
    if signum == signal.SIGSTOP:
        assert any(line.startswith("warning: abandoned") and line.endswith("window") for line in lines)
        assert all(json.loads(line)["people"] == [] for line in people.read_text().splitlines())
    else:
        assert "error: the window was lost" in lines[-1] and not people.exists()
    assert "Traceback" not in said


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(process: int) -> bool:
    """A process that has ended, and that nobody has waited for, has no command line."""
    command = Path(f"/proc/{process}/cmdline")
    return command.exists() and bool(command.read_text())


@pytest.mark.parametrize("name", ["", ":987", "no.such.host:0"])
def test_without_a_responding_screen_the_error_is_one_line_with_a_hint(monkeypatch, name):
    if name and not HAS_WINDOWS:
        pytest.skip("this OpenCV was built without windows")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", name)
    with pytest.raises(OutputError) as refused, open_window():
        pass
    assert "\n" not in str(refused.value) and "--sinks.page 8080" in str(refused.value)
    assert ("no screen" in str(refused.value)) == (not name)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise SystemExit('The function is not implemented. Rebuild')", "built without windows"),
        ("import time; time.sleep(60)", "does not respond"),
    ],
)
def test_a_window_that_does_not_open_has_a_cause(monkeypatch, code, says):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("edge.sinks.window.COMMAND", (sys.executable, "-c", code))
    monkeypatch.setattr("edge.sinks.window.OPEN_TIMEOUT_S", 0.2 if "sleep" in code else 60.0)
    with pytest.raises(OutputError, match=says), open_window():
        pass


def test_the_title_names_the_key_that_ends_the_run():
    assert "q to quit" in TITLE
