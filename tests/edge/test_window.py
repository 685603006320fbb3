"""The window on a virtual screen; without one, an error in one line instead of a crash."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from people import PENN

from edge.contract.errors import OutputError
from edge.drawing.overlay import Overlay
from edge.sinks.window import TITLE, probe_window, window_sink

HAS_WINDOWS = "GUI:                           NONE" not in cv2.getBuildInformation()

GREEN = (40, 180, 90)

SHOWS = """
import sys, time
from people import PENN, action, person, result
import numpy as np
from edge.drawing.overlay import Overlay
from edge.sinks.sink import StopRequested
from edge.sinks.window import window_sink
with window_sink(Overlay(PENN)) as show:
    end = time.monotonic() + 60
    image = np.full((360, 480, 3), (40, 180, 90), np.uint8)  # GREEN
    while time.monotonic() < end:
        try:
            show(result(person(does=action(0.9)), image=image))
        except StopRequested:
            print("stopped", flush=True)
            break
        time.sleep(0.02)
"""


@contextmanager
def screen(tmp_path: Path):
    """Start a virtual screen with its frame buffer in the folder; yield DISPLAY and the server's process.

    By default an X server resets when its last client disconnects.
    """
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
        yield f":{number}", process
    finally:
        process.terminate()
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


@pytest.mark.parametrize("by", ["q", "Escape", "close button"])
def test_frames_are_shown_and_the_user_can_end_the_run(tmp_path, by):
    if (xdotool := shutil.which("xdotool")) is None:
        pytest.skip("apt install xdotool")
    with screen(tmp_path) as (display, _):
        environment = {**os.environ, "DISPLAY": display, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = shown(tmp_path, environment)
        try:
            search = [xdotool, "search", "--name", "skd-edge"]
            if by == "close button":
                found = subprocess.run(search, env=environment, check=True, capture_output=True, timeout=30)
                click_close(int(found.stdout.split()[0]), display)
            else:
                subprocess.run([*search, "windowfocus", "key", by], env=environment, check=True, timeout=30)
            assert process.communicate(timeout=30)[0] == "stopped\n"
        finally:
            process.kill()
            process.communicate()


SHOWS_ONE = """
import threading
import numpy as np
from people import PENN, person, result
from edge.drawing.overlay import Overlay
from edge.latency import LatencyHistory
from edge.sinks.sink_worker import SinkOptions, SinkWorker
from edge.sinks.window import window_sink
overlay = Overlay(PENN)
options = SinkOptions(images=True, on_main_thread=True)
window = SinkWorker("window", window_sink(overlay), options, overlay, LatencyHistory(0))
window.on_stop = lambda: print("stopped", flush=True)
window.open()
window.put(0, result(person(), image=np.full((360, 480, 3), (40, 180, 90), np.uint8)))  # GREEN
threading.Timer(60, window.close, kwargs={"failed": False}).start()
window.run()
__import__("os")._exit(0)
"""


def test_a_window_without_new_frames_is_painted_and_can_be_closed(tmp_path):
    """The camera is lost."""
    if (xdotool := shutil.which("xdotool")) is None:
        pytest.skip("apt install xdotool")
    with screen(tmp_path) as (display, _):
        environment = {**os.environ, "DISPLAY": display, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = shown(tmp_path, environment, SHOWS_ONE)
        try:
            search = [xdotool, "search", "--name", "skd-edge", "windowfocus", "key", "q"]
            subprocess.run(search, env=environment, check=True, timeout=30)
            assert process.communicate(timeout=20)[0] == "stopped\n"
        finally:
            process.kill()
            process.communicate()


def shown(folder: Path, environment: dict[str, str], code: str = SHOWS) -> subprocess.Popen[str]:
    """Start a process that shows frames; return it once the screen has them.

    They have their own size, 480x360 of 800x600; OpenCV's default window is 400 wide. Without a window manager Qt
    sometimes misses on a busy machine that its window is visible and never paints it, so try again.
    """
    for _ in range(6):
        command = [sys.executable, "-c", code]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if part_shown(folder) > 0.3:
                return process
            if process.poll() is not None:
                process.communicate()
                raise AssertionError(f"the process that shows frames ended with code {process.returncode}")
            time.sleep(0.1)
        process.kill()
        process.communicate()
    raise AssertionError("no window was ever painted")


@pytest.mark.parametrize("display", ["", ":987", "no.such.host:0"])
def test_without_a_responding_screen_the_error_is_one_line_with_a_hint(monkeypatch, display):
    if not HAS_WINDOWS:
        pytest.skip("this OpenCV was built without windows")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(OutputError) as refused, window_sink(Overlay(PENN)):
        pass
    assert "\n" not in str(refused.value) and "--sinks.page 8080" in str(refused.value)


OPENS = """
import cv2
import numpy
from edge.sinks import window
window.PROBE = window.PROBE.replace("waitKey(1);", "waitKey(1); import os, signal; os.kill({server}, signal.SIGSTOP);")
with window.window_sink(overlay=None):
    cv2.imshow(window.TITLE, numpy.zeros((360, 480, 3), numpy.uint8))
    cv2.waitKey(1)
print("opened")
"""


def test_the_probe_stays_connected_until_the_window_is_open(tmp_path):
    """A paused server sees the probe disconnect and the window connect at once. It would reset for the first and drop
    the second, and Qt would abort the process."""
    with screen(tmp_path) as (display, server):
        environment = {**os.environ, "DISPLAY": display, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", OPENS.format(server=server.pid)]
        opens = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            end = time.monotonic() + 60
            while os.waitid(os.P_PID, server.pid, os.WSTOPPED | os.WNOHANG) is None:
                assert time.monotonic() < end, "the probe has not paused the server"
                time.sleep(0.02)
            time.sleep(1)  # for the window to connect
            server.send_signal(signal.SIGCONT)
            assert opens.communicate(timeout=30)[0] == "opened\n"
        finally:
            server.send_signal(signal.SIGCONT)
            opens.kill()
            opens.communicate()


def test_an_opencv_built_without_windows_is_named_as_the_cause(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("edge.sinks.window.PROBE", "raise SystemExit('The function is not implemented. Rebuild')")
    with pytest.raises(OutputError, match="built without windows"), probe_window():
        pass


def test_a_screen_that_never_answers_is_a_timeout(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("edge.sinks.window.PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr("edge.sinks.window.PROBE_TIMEOUT_S", 0.2)
    with pytest.raises(OutputError, match="does not respond"), probe_window():
        pass


def test_the_title_names_the_key_that_ends_the_run():
    assert "q to quit" in TITLE
