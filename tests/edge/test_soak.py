"""The soak itself, for seconds: it runs, counts, and finds what it is to find."""

import time

import pytest

from edge.contract.errors import ConfigError
from edge.memory import Memory
from edge.soak import SoakConfig, Soaked, run_soak


def test_a_short_soak_loses_the_camera_and_no_event(shared_data, bundle_folder, blazepose_files):
    recording = shared_data / "media" / "felixchenfy_exercise.avi"
    config = SoakConfig(bundle_folder, recording, minutes=0.2, warm_up_minutes=0.05, loss_every_s=2.0)
    found, _ = run_soak(config)
    assert found.frames > 5 and found.losses >= 1
    assert found.told == found.heard > 0 and found.hanging_took >= 1


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
    assert soaked(heard=7).faults == ["2 of 9 events were lost"]


def test_growth_is_between_the_ends_of_what_was_sampled_after_the_warm_up():
    memory = Memory()
    memory.samples = [(float(n), 100.0 if n < 10 else 200 + n / 10) for n in range(110)]
    # After second 10: 201.0 to 210.9; the least of tenths of ten samples: 201.0 and 210.0.
    assert memory.growth_mb(10) == pytest.approx(9.0)
    # A picture that was under way for a while is no growth, and hides none.
    memory.samples[103:107] = [(float(n), 216.0) for n in range(103, 107)]
    assert memory.growth_mb(10) == pytest.approx(9.0)


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


def test_a_soak_shorter_than_its_warm_up_is_refused():
    with pytest.raises(ConfigError, match="longer than its warm-up"):
        SoakConfig(minutes=1.0, warm_up_minutes=2.0)
