"""The soak itself, for seconds: it runs, counts, and finds what it is to find."""

import time
from pathlib import Path

import numpy as np
import pytest
import videos
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.errors import ConfigError, OutputError
from edge.soak.command import MAX_GROWTH_MB, SoakConfig, Soaked, run_soak
from edge.soak.memory import Memory


def test_a_short_soak_loses_the_camera_and_no_event(shared_data, bundle_folder, blazepose_files):
    recording = shared_data / "media" / "felixchenfy_exercise.avi"
    config = SoakConfig(bundle_folder, recording, minutes=0.1, warm_up_minutes=0.05, loss_every_s=0.7)
    found, _, stop = run_soak(config)
    assert not stop.signum and found.ended_by is None
    assert found.frames >= 2 and found.losses >= 1
    assert found.told == found.heard > 0 and found.hanging_took >= 1


def test_a_soak_whose_report_cannot_be_written_does_not_run_for_hours_first(tmp_path, bundle_folder, blazepose_files):
    (tmp_path / "soak.json").mkdir()
    recording = videos.write(tmp_path / "a.mp4", frames=9)
    with pytest.raises(OutputError, match=r"soak\.json: cannot be written: a folder has this name"):
        run_soak(SoakConfig(bundle_folder, recording, minutes=480, report=tmp_path / "soak.json"))


def soaked(**what):
    known = {
        **dict.fromkeys(("frames", "dropped", "losses", "people", "hanging_took"), 1),
        **dict.fromkeys(("minutes", "memory_mb", "pose_p99_by_p50", "age_p99_by_p50"), 1.0),
        "growth_mb": 0.1,
        "told": 9,
        "heard": 9,
    }
    return Soaked(**{**known, **what})


def test_growth_and_lost_events_are_faults():
    assert soaked().faults == []
    assert soaked(growth_mb=5.2).faults == ["memory grew by 5.2 MB, 5 are allowed"]
    assert soaked(ended_by="the pose stage failed").faults == ["the run ended after 1.0 minutes: the pose stage failed"]
    assert soaked(heard=7).faults == ["2 of 9 events were lost"]


def watched(mb):
    """A memory that was sampled once a second."""
    memory = Memory()
    memory.samples = [(float(second), float(value)) for second, value in enumerate(mb)]
    return memory


def test_growth_is_the_rate_between_the_outer_quarters_times_the_time_after_the_warm_up():
    # After second 3 eight samples, two in a quarter: from 100 at 3.5 s to 106 at 9.5 s, so 7 MB in 7 s.
    assert watched([50, 50, 50, 101, 99, 0, 999, 0, 7, 107, 105]).growth_mb(3) == pytest.approx(7.0)
    # What comes at once and stays counts four thirds, nearly: 3 MB in 4 of 6 seconds from middle to middle.
    assert watched([100] * 4 + [103] * 4).growth_mb(0) == pytest.approx(3 / 6 * 7)
    # Of ten samples in a quarter the two least and the two greatest do not count.
    quarters = ([100] * 8, [0, 999], [5] * 20, [104] * 8, [-50, 400])
    assert watched(np.concatenate(quarters)).growth_mb(0) == pytest.approx(4 / 30 * 39)
    assert watched([100]).growth_mb(0) == watched([100, 200]).growth_mb(9) == 0.0


@given(st.integers(0, 500), st.integers(1, 25), st.floats(-50, 50), st.sampled_from([0.0, 5.1, 20.0]))
def test_one_dip_or_peak_is_no_growth_and_hides_none(start, seconds, height, leak):
    mb = 360 + np.linspace(0, leak, 510)
    mb[start : start + seconds] += height
    # Of a quarter's 128 samples 25 do not count at either end; then not as many of the leak's own least or greatest.
    assert watched(mb).growth_mb(0) == pytest.approx(leak, rel=0.1, abs=1e-9)


@given(st.integers(2, 40), st.floats(0.1, 0.9), st.integers(0, 39), st.sampled_from([0.0, 1.0, 8.0, 20.0]))
def test_a_frame_that_comes_and_goes_is_no_growth_and_hides_none(period, part, phase, leak):
    seconds = np.arange(510)
    under_way = (seconds + phase) % period < part * period
    found = watched(360 + leak * seconds / 509 + 5.3 * under_way).growth_mb(0)
    # At most a part of a period more in one quarter than in the other.
    assert found == pytest.approx(leak, abs=2.0 + 0.05 * leak)
    assert (found >= MAX_GROWTH_MB) == (leak > MAX_GROWTH_MB)


def test_a_camera_that_is_lost_again_and_again_is_no_growth_and_hides_none():
    chance = np.random.default_rng(0)
    for leak in (0.0, 1.0, 7.0):
        for _ in range(50):
            mb = 360 + np.linspace(0, leak, 510)
            for lost in chance.integers(0, 508, 17):
                mb[lost : lost + 2] -= 25.0
            found = watched(mb + 5.3 * (chance.random(510) < 0.8)).growth_mb(0)
            assert found == pytest.approx(leak, abs=2.0) and (found >= MAX_GROWTH_MB) == (leak > MAX_GROWTH_MB)


def test_a_leak_of_what_is_allowed_is_a_fault_in_ten_minutes_and_in_eight_hours():
    for minutes in (8.5, 478.5):
        leak = np.linspace(360, 365.001, round(60 * minutes))
        growth_mb = watched([*[300] * 90, *leak]).growth_mb(90)
        assert growth_mb == pytest.approx(5.001) and soaked(growth_mb=growth_mb).faults


def test_memory_is_told_by_the_minute():
    memory = Memory()
    memory.samples = [(float(n), 100.0 + n // 60) for n in range(1, 150)]
    assert memory.by_minute() == (100.0, 101.0, 102.0) and Memory().by_minute() == ()


def test_memory_that_is_taken_is_seen():
    memory = Memory()
    with memory.watched():
        time.sleep(1.3)
        taken = bytearray(256 * 1024 * 1024)
        taken[::4096] = b"x" * len(taken[::4096])
        time.sleep(2.2)
    assert memory.growth_mb(0) > 128, "what else the process gives back meanwhile is less"
    resident_kb = int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])
    assert memory.samples[0][0] < 60, "seconds since it is watched"
    assert memory.samples[-1][1] == pytest.approx(resident_kb * 1024 / 1e6, rel=0.2)


def test_a_soak_shorter_than_its_warm_up_is_refused():
    with pytest.raises(ConfigError, match="longer than its warm-up"):
        SoakConfig(minutes=1.0, warm_up_minutes=2.0)
