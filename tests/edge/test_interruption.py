"""Signals: the first one ends a run, however its outputs behave; further ones change nothing."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from parts import Frames
from scripted_stages import Kept, Scripted, pipeline, worker

from edge.cli.command_line import Command, run_command_line
from edge.cli.interruption import SIGNALS, interruptible, raise_on_signals
from edge.cli.sigint import exit_silently_on_sigint
from edge.contract.errors import OutputError
from edge.contract.files import atomic_write
from edge.contract.types import Event
from edge.loop.outcome import Limits

ROOT = Path(__file__).parents[2]


@pytest.fixture
def handlers():
    """Those of a program that has just started, for the test."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@dataclass(frozen=True)
class Start:
    """A command that is still starting."""


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_while_a_command_starts_is_one_line_and_leaves_no_file(tmp_path, capsys, number, code):
    def start(_):
        with atomic_write(tmp_path / "video.mp4"):
            os.kill(os.getpid(), number)

    with pytest.raises(SystemExit) as left:
        run_command_line("edge", "", {"start": Command(Start, start)}, ["start"])
    assert (left.value.code, capsys.readouterr().err) == (code, "interrupted\n") and not list(tmp_path.iterdir())


INSIDE_EXEC = """
import signal
from edge.cli.sigint import exit_silently_on_sigint

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
exit_silently_on_sigint()
from edge.cli.command_line import Command, run_command_line
from edge.soak.command import SoakConfig

def start(config):
    exec("signal.raise_signal(signal.SIGTERM)")

run_command_line("start", "", {"start": Command(SoakConfig, start)})
"""


def test_the_exit_code_is_the_signals_also_inside_exec(tmp_path):
    """As where a dataclass is defined, while modules are imported."""
    (tmp_path / "start.py").write_text(INSIDE_EXEC)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "start", "start"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (143, "interrupted\n")


@pytest.mark.usefixtures("handlers")
def test_a_second_signal_does_not_interrupt_what_cleans_up_after_the_first(monkeypatch):
    monkeypatch.setattr("edge.cli.interruption.REPEAT_S", 60.0)
    raise_on_signals()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    monkeypatch.setattr("edge.cli.interruption.REPEAT_S", 0.0)  # later
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("handlers")
def test_ignored_signals_stay_ignored():
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    exit_silently_on_sigint()
    raise_on_signals()
    assert {signal.getsignal(number) for number in SIGNALS} == {signal.SIG_IGN}


def test_without_a_way_to_stop_the_second_signal_interrupts():
    with pytest.raises(KeyboardInterrupt), interruptible() as noted:
        os.kill(os.getpid(), signal.SIGINT)
        assert (noted.signum, noted.exit_code) == (signal.SIGINT, 130)
        os.kill(os.getpid(), signal.SIGTERM)


def test_signal_handlers_are_restored():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(("terminal", "noted_as"), [(signal.SIG_DFL, (signal.SIGHUP, 129)), (signal.SIG_IGN, (0, 128))])
def test_a_closed_terminal_stops_a_run_unless_nohup_ignores_it(terminal, noted_as):
    # Set either way: the tests themselves may run under nohup.
    before = signal.signal(signal.SIGHUP, terminal)
    try:
        with interruptible() as noted:
            os.kill(os.getpid(), signal.SIGHUP)
            assert (noted.signum, noted.exit_code) == noted_as
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signal_handlers_are_not_set_from_another_thread():
    seen = []

    def work():
        with interruptible() as noted:
            seen.append((noted.signum, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0, signal.getsignal(signal.SIGINT))]


def test_signals_while_outputs_are_completed_do_not_discard_them(action):
    class Slow(Kept):
        @contextmanager
        def opened(self):
            with super().opened() as take:
                yield take
                for number in (signal.SIGTERM, signal.SIGINT):
                    os.kill(os.getpid(), number)
                    time.sleep(0.1)

    kept, seen = Slow(), threading.Event()
    source = Frames(10_000, pause_s=0.001)
    running = pipeline(source, Scripted(), action, worker(kept, lossless=True), on_result=lambda result: seen.set())
    threading.Thread(target=lambda: seen.wait() and os.kill(os.getpid(), signal.SIGTERM), daemon=True).start()
    with interruptible(running.stop) as stop:
        outcome = running.run()
    assert stop.exit_code == 143
    assert 1 <= outcome.frames == len(kept.results) and kept.left == "well"


def test_a_signal_that_does_not_wake_the_main_thread_ends_a_run_too(action):
    """Python keeps it until that thread wakes: the kernel gave it to another, or it came just before the wait."""

    def interrupt(result):
        if result.frame.index == 3:
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    source = Frames(4000, pause_s=0.001)
    running = pipeline(source, Scripted(), action, on_result=interrupt)
    with interruptible(running.stop) as stop:
        outcome = running.run()
    assert stop.exit_code == 143 and source.cancelled and 3 < outcome.frames < 3000


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_in_a_program_without_handlers_is_raised_when_the_run_has_ended(action):
    kept, source = Kept(), Frames(10_000, pause_s=0.001)

    def interrupt(result):
        if result.frame.index == 3:
            os.kill(os.getpid(), signal.SIGINT)

    running = pipeline(source, Scripted(), action, kept, on_result=interrupt)
    with pytest.raises(KeyboardInterrupt):
        running.run()
    assert source.cancelled and kept.left not in (None, "well")


def test_one_signal_is_enough_while_a_lossless_output_hangs(action, watchdog, monkeypatch):
    watchdog(stop_timeout=0.4, check_interval=0.2)
    monkeypatch.setattr("edge.sinks.sink_worker.LOSSLESS_CLOSE_TIMEOUT_S", 0.4)
    hanging, freed, other, stuck = Kept(), threading.Event(), Kept(), threading.Event()
    hanging.take = lambda result: stuck.set() or freed.wait()
    outputs = worker(hanging, "hanging", lossless=True, images=True), worker(other, "other")
    running, begin = pipeline(Frames(500), Scripted(), action, *outputs), time.monotonic()
    threading.Thread(target=lambda: stuck.wait() and os.kill(os.getpid(), signal.SIGINT), daemon=True).start()
    with interruptible(running.stop):
        outcome = running.run()
    freed.set()
    assert outcome.hanging == ("hanging",) and outcome.ended_by is None and time.monotonic() - begin < 5
    assert other.left == "well" and len(other.results) <= outcome.frames < 500


def test_an_output_that_does_not_open_is_an_error(action, monkeypatch):
    monkeypatch.setattr("edge.sinks.sink_worker.LOSSLESS_CLOSE_TIMEOUT_S", 0.2)
    monkeypatch.setattr("edge.sinks.sink_worker.CLOSE_TIMEOUT_S", 0.2)
    freed = threading.Event()

    class Never(Kept):
        @contextmanager
        def opened(self):
            freed.wait()
            yield self.take

    with pytest.raises(OutputError, match="output never cannot be opened: the disk or device does not respond"):
        pipeline(Frames(5), Scripted(), action, worker(Never(), "never")).run()
    freed.set()


def test_an_event_after_the_outputs_were_closed_is_not_counted_as_published(action):
    """A camera is lost just when the run ends."""

    class Late(Frames):
        def __iter__(self):
            yield from super().__iter__()
            self.on_event(Event("source_lost", 9.0, text="lost"))

    kept = Kept()
    events, limits = worker(kept, kind="events"), Limits(frames=1)
    # The lost camera is reported while the last events are published.
    outcome = pipeline(
        Late(3, live=True), Scripted(), action, events, limits=limits, warn=lambda text: events.join()
    ).run()
    assert outcome.events == 0 and kept.results == []


LEFT_BEHIND = """
import sys, threading, time
import cv2
from edge.cli.leftover_threads import exit_past_threads

class Slow:
    def __del__(self):
        time.sleep(1.5)

kept = Slow()  # finalising takes longer than the call below
timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 1000]

def main():
    driver = threading.Thread(target=cv2.VideoCapture, args=({url!r}, cv2.CAP_FFMPEG, timeouts), daemon=True)
    driver.start()
    time.sleep(0.3)
    print("done")
    sys.exit({code})

exit_past_threads(main)
"""


@pytest.mark.parametrize("code", [0, 143])
def test_a_driver_that_hangs_at_the_end_does_not_change_the_exit_code(code):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/s"
        script = LEFT_BEHIND.format(url=url, code=code)
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "done\n", "")
