"""Seconds of each action, the machine, and the summary after a run."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from people import action, person, result
from rich.console import Console

import edge.host
import edge.machine
from edge.latency import LatencyHistory
from edge.loop.action_times import UNDECIDED, ActionTimes
from edge.loop.config import RunConfig
from edge.loop.outcome import RunOutcome
from edge.machine import machine, onnx_runtime_version
from edge.run import print_summary

ROOT = Path(__file__).parents[2]


def test_seconds_of_each_label_add_up_to_the_time_in_view():
    times = ActionTimes()
    for n in range(101):
        label = "squat" if n <= 60 else "wave"
        does = action(0.9, label) if n > 20 else None
        times.add(result(person(1, does=does), n=n))
    one = times.seconds[1]
    assert one[UNDECIDED] == pytest.approx(20 / 25) and one["squat"] == pytest.approx(40 / 25)
    assert one["wave"] == pytest.approx(40 / 25) and sum(one.values()) == pytest.approx(4.0)


def test_time_out_of_view_does_not_count():
    times = ActionTimes()
    for n in (5, 17, 30, 35):  # 0.48, 0.52 and 0.2 s apart
        times.add(result(person(1, does=action(0.9, "wave")), n=n))
    assert times.seconds[1]["wave"] == pytest.approx(17 / 25)


def test_beyond_the_maximum_the_person_seen_longest_ago_is_forgotten(monkeypatch):
    monkeypatch.setattr("edge.loop.action_times.MAX_PEOPLE", 3)
    times = ActionTimes()
    for n in range(50):  # one stays, others pass through
        times.add(result(person(1), person(2 + n // 5), n=n))
    assert list(times.seconds) == [1, 10, 11] and sum(times.seconds[1].values()) == pytest.approx(49 / 25)


def test_the_table_has_a_row_per_person_and_label_the_longest_first_without_those_of_0_seconds():
    times = ActionTimes()
    for n in range(51):
        does = action(0.9, "bowing") if n < 6 else action(0.9)
        times.add(result(replace(person(3), followed=False), person(2, does=does), n=n))
    for n in (51, 52):
        times.add(result(person(7), n=n))
    console = Console(width=80)
    with console.capture() as shown:
        console.print(times.table())
    text = shown.get()
    rows = [line.strip("│ ").replace("│", "").split() for line in text.splitlines()]
    assert rows[4:-1] == [["#2", "jumping", "jacks", "1.8"], ["bowing", "0.2"], ["#3", "(not", "followed)", "2.0"]]


def test_machine_reports_the_board_and_its_power_mode(tmp_path, monkeypatch):
    board = tmp_path / "model"
    board.write_text("NVIDIA Jetson Orin Nano Developer Kit\0")
    program = tmp_path / "nvpmodel"
    program.write_text("#!/bin/sh\necho 'NV Power Mode: 15W'\necho 0\n")
    program.chmod(0o755)
    monkeypatch.setattr(edge.host, "DEVICE_TREES", (tmp_path / "hidden", tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    facts = machine()
    assert facts["machine"] == "NVIDIA Jetson Orin Nano Developer Kit"
    assert facts["power_mode"] == "NV Power Mode: 15W"


def test_without_nvpmodel_the_power_mode_is_that_of_its_files_as_in_a_container(tmp_path, monkeypatch):
    status, modes = tmp_path / "status", tmp_path / "nvpmodel.conf"
    status.write_text("pmode:0001\n")
    modes.write_text("< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >\n")
    monkeypatch.setattr(edge.host, "DEVICE_TREES", (tmp_path / "absent",))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(edge.machine, "NVPMODEL_FILES", (status, modes))
    assert machine()["power_mode"] == "NV Power Mode: 25W"
    status.unlink()
    facts = machine()
    assert facts["power_mode"] is None and facts["cpu"] and facts["cores"] == len(os.sched_getaffinity(0))


def test_onnx_runtimes_package_for_the_gpu_takes_the_place_of_the_other(tmp_path, monkeypatch):
    (tmp_path / "onnxruntime_gpu-1.23.2.dist-info").mkdir()
    (tmp_path / "onnxruntime_gpu-1.23.2.dist-info/METADATA").write_text("Name: onnxruntime-gpu\nVersion: 1.23.2\n")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert machine()["versions"]["onnxruntime-gpu"] == onnx_runtime_version() == "1.23.2"


def test_the_summary_warns_if_frames_are_too_far_apart_for_a_decision(capsys, tmp_path):
    outcome = RunOutcome(frames=3, seconds=1.0)
    for n in range(3):
        outcome.times.add(result(person(1), n=n, fps=0.5))
    print_summary(RunConfig("0", tmp_path), outcome, LatencyHistory(0))
    output = capsys.readouterr().err
    assert "warning: no action was recognised: nobody was in two frames less than half a second apart" in output
    assert "seconds" not in output  # no table without a row


def test_the_summary_reports_results_that_a_slow_output_dropped(capsys, tmp_path):
    outcome = RunOutcome(frames=9, seconds=1.0, dropped_by_sink={"video": 4})
    print_summary(RunConfig("0", tmp_path), outcome, LatencyHistory(0))
    assert "output video was too slow: results dropped for newer ones: 4" in capsys.readouterr().err


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("room", ["edge", "train", "calibrate"])
def test_ctrl_c_during_imports_ends_silently(tmp_path, room):
    (tmp_path / "jsonargparse.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(60)\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command, pipes = [sys.executable, "-m", room, "--help"], {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as process:
        try:
            assert process.stdout.readline() == "loading\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=30) == ("", "") and process.returncode == -signal.SIGINT
        finally:
            process.kill()
