"""The runs of a benchmark: power, Ctrl-C, stages that hang."""

import os
import signal
import threading
from contextlib import contextmanager, nullcontext
from functools import partial

import pytest

import edge.bench.loop_run
from edge.bench.display_run import display_run
from edge.bench.latency import LatencyConfig, latency
from edge.bench.loop_run import loop_run
from edge.capture.replay import ReplayedPoses
from edge.contract.errors import OutputError
from edge.loop.config import RunConfig
from edge.recognition.recogniser import RecogniserConfig


def test_power_is_sampled_while_frames_run_and_not_while_networks_open_or_close(bundle_folder, replay, monkeypatch):
    order = []

    @contextmanager
    def noted(name, inner=None):
        with inner or nullcontext() as found:
            order.append(f"{name} begins")
            yield found
        order.append(f"{name} ends")

    open_parts = edge.bench.loop_run.open_parts
    monkeypatch.setattr("edge.bench.loop_run.open_parts", lambda config: noted("open", open_parts(config)))
    config = RunConfig(replay, bundle_folder, recogniser=RecogniserConfig(threads=1), frames=3)
    run = loop_run(config, 0, lambda result: order.append("frame"), around=noted("power"))
    assert run.outcome.frames == 3
    assert order == ["open begins", "power begins", "frame", "frame", "frame", "power ends", "open ends"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_benchmark(bundle_folder, replay, number, code):
    def interrupt(result):
        if result.frame.index == 3:
            os.kill(os.getpid(), number)

    with pytest.raises(SystemExit) as left:
        loop_run(RunConfig(replay, bundle_folder, recogniser=RecogniserConfig(threads=1)), 0, interrupt)
    assert left.value.code == code


@pytest.mark.parametrize(("number", "code"), [(None, 2), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("loop", [loop_run, partial(display_run, display="output")])
def test_a_hanging_stage_ends_a_benchmark_before_anything_is_closed(
    bundle_folder, replay, monkeypatch, capsys, loop, number, code
):
    def leave(code):
        left.append((code, list(closed)))
        raise SystemExit(code)

    def hang(stage, frame):
        if number is not None:
            os.kill(os.getpid(), number)
        freed.wait()
        return estimate(stage, frame)

    freed, left, closed, estimate = threading.Event(), [], [], ReplayedPoses.estimate
    monkeypatch.setattr("os._exit", leave)
    monkeypatch.setattr(ReplayedPoses, "estimate", hang)
    monkeypatch.setattr(ReplayedPoses, "close", lambda stage: closed.append(stage))
    monkeypatch.setattr(f"edge.loop.stage_watchdog.{'STAGE' if number is None else 'STOP'}_TIMEOUT_S", 0.3)
    monkeypatch.setattr("edge.loop.stage_watchdog.CHECK_INTERVAL_S", 0.05)
    with pytest.raises(SystemExit):
        loop(RunConfig(replay, bundle_folder, recogniser=RecogniserConfig(threads=1)), 0)
    freed.set()
    assert left == [(code, [])]
    last = capsys.readouterr().err.splitlines()[-1]
    if number is None:
        assert last.startswith("error: the pose stage has been processing one frame for 0.3 s;")
    else:
        assert last == "interrupted"


def test_a_window_that_cannot_be_shown_is_refused_before_anything_is_measured(
    bundle_folder, replay, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(OutputError, match="there is no screen"):
        latency(LatencyConfig(bundle_folder, replay, tmp_path / "out", warm_up_frames=0, display="window"))
    assert "run 1 of" not in capsys.readouterr().err
