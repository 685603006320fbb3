"""A soak of a few seconds, and the rules by which its memory and events are judged."""

import json
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import videos
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.errors import ConfigError
from edge.contract.layouts import layout
from edge.soak.command import MAX_GROWTH_MB, SoakConfig, SoakResult, soak
from edge.soak.memory import MemoryMonitor


def test_a_short_soak_loses_the_camera_but_no_event(shared_data, bundle_folder, blazepose_files, tmp_path, monkeypatch):
    # So short a run is all warm-up: memory still grows.
    monkeypatch.setattr("edge.soak.command.MAX_GROWTH_MB", 500.0)
    recording, report = shared_data / "media" / "felixchenfy_exercise.avi", tmp_path / "soak.json"
    config = SoakConfig(bundle_folder, recording, minutes=0.1, loss_every_s=0.7, report=report)
    soak(config)
    found = json.loads(report.read_text())
    assert found["ended_by"] is None and found["frames"] >= 2 and found["losses"] >= 1
    assert found["told"] == found["heard"] > 0 and found["hanging_took"] >= 1


class Blocking:
    """A pose estimator that hangs in its n-th call."""

    layout, network_s = layout("coco-17"), 0.0

    def __init__(self, call, freed):
        self.call, self.freed, self.calls, self.closed = call, freed, 0, False

    def describe(self):
        return "blocking"

    def estimate(self, image, time_s=None):
        self.calls += 1
        if self.calls == self.call:
            self.freed.wait()
        return []

    def close(self):
        self.closed = True


@pytest.mark.parametrize(("call", "frames"), [(1, 0), (4, 3)])
def test_a_hanging_stage_ends_a_soak_with_its_cause(bundle_folder, tmp_path, monkeypatch, capsys, call, frames):
    def leave(code):
        left.append((code, pose.closed))
        raise SystemExit(code)

    freed, left, report = threading.Event(), [], tmp_path / "soak.json"
    pose = Blocking(call, freed)
    monkeypatch.setattr("os._exit", leave)
    monkeypatch.setattr("edge.loop.parts.open_estimator", lambda config: pose)
    monkeypatch.setattr("edge.loop.stage_watchdog.STAGE_TIMEOUT_S", 0.5)
    monkeypatch.setattr("edge.loop.stage_watchdog.CHECK_INTERVAL_S", 0.1)
    recording = videos.write(tmp_path / "a.mp4", frames=20)
    with pytest.raises(SystemExit):
        soak(SoakConfig(bundle_folder, recording, minutes=480, report=report))
    freed.set()
    assert left == [(1, False)], "the process exits before the network is closed that another thread runs"
    last = capsys.readouterr().err.splitlines()[-1]
    cause = "the pose stage has been processing one frame for 0.5 s;"
    assert last.startswith(f"fault: the run ended after 0.0 minutes: {cause}")
    found = json.loads(report.read_text())
    assert found["frames"] == frames and found["ended_by"] in last


def result(**what):
    known = {
        **dict.fromkeys(("frames", "dropped", "losses", "people", "hanging_took"), 1),
        **dict.fromkeys(("minutes", "memory_mb", "pose_p99_by_p50", "age_p99_by_p50"), 1.0),
        "growth_mb": 0.1,
        "told": 9,
        "heard": 9,
    }
    return SoakResult(**{**known, **what})


def test_growth_and_lost_events_are_faults():
    assert result().faults == []
    assert result(growth_mb=5.2).faults == ["memory grew by 5.2 MB, 5 are allowed"]
    assert result(ended_by="the pose stage failed").faults == ["the run ended after 1.0 minutes: the pose stage failed"]
    assert result(frames=0).faults == ["no frame was processed"]
    assert result(heard=7).faults == ["2 of 9 events were lost"]


def sampled(mb):
    """A monitor with one sample per second."""
    memory = MemoryMonitor()
    for second, value in enumerate(mb):
        memory.add(second, value)
    return memory


def test_growth_is_the_rate_between_the_outer_quarters_times_the_time_after_the_warm_up():
    # After 3 s there are eight samples, two per quarter: from 100 at 3.5 s to 106 at 9.5 s, so 7 MB in 7 s.
    assert sampled([50, 50, 50, 101, 99, 0, 999, 0, 7, 107, 105]).growth_mb(3) == pytest.approx(7.0)
    # A step counts nearly four thirds: 3 MB over 6 s, between the middles of the outer quarters.
    assert sampled([100] * 4 + [103] * 4).growth_mb(0) == pytest.approx(3 / 6 * 7)
    # Of ten samples in a quarter the two lowest and the two highest are trimmed.
    quarters = ([100] * 8, [0, 999], [5] * 20, [104] * 8, [-50, 400])
    assert sampled(np.concatenate(quarters)).growth_mb(0) == pytest.approx(4 / 30 * 39)
    assert sampled([100]).growth_mb(0) == sampled([100, 200]).growth_mb(9) == 0.0
    assert sampled([100, 103]).growth_mb(0) == pytest.approx(3), "of one second, the only one"


@given(st.integers(0, 500), st.integers(1, 25), st.floats(-50, 50), st.sampled_from([0.0, 5.1, 20.0]))
def test_one_dip_or_peak_neither_counts_as_growth_nor_hides_it(start, seconds, height, leak):
    mb = 360 + np.linspace(0, leak, 510)
    mb[start : start + seconds] += height
    # 25 of a quarter's 128 samples are trimmed at either end; a dip uses up some of those of the leak.
    assert sampled(mb).growth_mb(0) == pytest.approx(leak, rel=0.1, abs=1e-9)


@given(st.integers(2, 40), st.floats(0.1, 0.9), st.integers(0, 39), st.sampled_from([0.0, 1.0, 8.0, 20.0]))
def test_a_varying_number_of_frames_neither_counts_as_growth_nor_hides_it(period, part, phase, leak):
    seconds = np.arange(510)
    in_flight = (seconds + phase) % period < part * period
    found = sampled(360 + leak * seconds / 509 + 5.3 * in_flight).growth_mb(0)
    # The quarters differ by at most part of a period.
    assert found == pytest.approx(leak, abs=2.0 + 0.05 * leak)
    assert (found >= MAX_GROWTH_MB) == (leak > MAX_GROWTH_MB)


def test_repeated_camera_losses_neither_count_as_growth_nor_hide_it():
    rng = np.random.default_rng(0)
    for leak in (0.0, 1.0, 7.0):
        for _ in range(50):
            mb = 360 + np.linspace(0, leak, 510)
            for lost in rng.integers(0, 508, 17):
                mb[lost : lost + 2] -= 25.0
            found = sampled(mb + 5.3 * (rng.random(510) < 0.8)).growth_mb(0)
            assert found == pytest.approx(leak, abs=2.0) and (found >= MAX_GROWTH_MB) == (leak > MAX_GROWTH_MB)


def test_a_leak_above_the_limit_is_a_fault_after_ten_minutes_and_after_eight_hours():
    for minutes in (8.5, 478.5):
        leak = np.linspace(360, 365.001, round(60 * minutes))
        growth_mb = sampled([*[300] * 90, *leak]).growth_mb(90)
        assert growth_mb == pytest.approx(5.001) and result(growth_mb=growth_mb).faults


def test_memory_is_reported_per_minute():
    assert sampled([100 + n // 60 for n in range(150)]).by_minute() == (100.0, 101.0, 102.0)
    assert MemoryMonitor().by_minute() == ()


def test_the_monitor_itself_hardly_grows():
    tracemalloc.start()
    try:
        monitor = sampled(360 + n / 7 for n in range(8 * 3600))
        assert tracemalloc.get_traced_memory()[0] < 0.6e6 and len(monitor.samples) == 8 * 3600
    finally:
        tracemalloc.stop()


def test_allocated_memory_is_measured():
    memory = MemoryMonitor()
    with memory.running():
        wait_for_samples(memory, 1)
        taken = bytearray(256 * 1024 * 1024)
        taken[::4096] = b"x" * len(taken[::4096])
        wait_for_samples(memory, len(memory.samples) + 2)  # the next one may have been measured before
    assert memory.samples[-1][1] - memory.samples[0][1] > 128, "the process frees less than that elsewhere"
    resident_kb = int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])
    assert memory.samples[0][0] < 60, "seconds since the monitor was created"
    assert memory.samples[-1][1] == pytest.approx(resident_kb * 1024 / 1e6, rel=0.2)


def wait_for_samples(memory, count):
    end = time.monotonic() + 60
    while len(memory.samples) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_soak_of_no_minutes_is_refused():
    for wrong in ({"minutes": 0.0}, {"warm_up_minutes": 0.0}):
        with pytest.raises(ConfigError, match="above 0"):
            SoakConfig(**wrong)


@pytest.mark.parametrize(("minutes", "warm_up_s"), [(480, 90), (4.5, 90), (0.1, 2)])
def test_the_warm_up_takes_at_most_a_third_of_a_short_soak(minutes, warm_up_s):
    assert SoakConfig(minutes=minutes).warm_up_s == pytest.approx(warm_up_s)
