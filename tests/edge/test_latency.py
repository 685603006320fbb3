"""The latency table against percentiles computed by hand."""

import io
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edge.latency import DECISION, NETWORKS, OUTSIDE, WAITING, LatencyHistory, latency_table, percentiles, timed


def history(values_ms, *, warm_up_frames=0, stage="pose"):
    made = LatencyHistory(warm_up_frames)
    for n, ms in enumerate(values_ms):
        made.add(n, {stage: ms})
    return made


def test_percentiles_are_measured_values():
    row = history([50, 10, 40, 20, 30]).summary()["pose"]
    # Nearest rank of five frames: p50 is the third, p90 the fifth.
    assert row.count == 5 and row.p50_ms == 30 and row.p90_ms == row.p99_ms == row.max_ms == 50
    assert history(range(1, 101)).summary()["pose"].p99_ms == 99, "the second slowest of 100 frames"


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=60), st.sampled_from([0.07, 0.5, 0.9, 0.99]))
def test_a_percentile_is_the_smallest_value_that_the_share_does_not_exceed(values, part):
    (found,) = percentiles(values, (part,))
    assert found in values and sum(v <= found for v in values) >= part * len(values) - 1e-9
    assert all(sum(v <= smaller for v in values) < part * len(values) - 1e-9 for smaller in values if smaller < found)


@pytest.mark.parametrize(("part", "count", "rank"), [(0.07, 100, 7), (0.55, 100, 55), (0.57, 100, 57), (0.9, 10, 9)])
def test_rounding_errors_do_not_move_the_rank(part, count, rank):
    assert percentiles([float(n) for n in range(count, 0, -1)], (part,)) == [rank]


def test_two_slow_frames_in_a_hundred_show_in_p99_but_not_in_p90():
    row = history([10] * 98 + [500] * 2).summary()["pose"]
    assert row.p50_ms == row.p90_ms == pytest.approx(10) and row.p99_ms == pytest.approx(500)


def test_the_warm_up_is_left_out_but_at_most_half_of_a_short_run():
    assert history([900] * 10 + [10] * 20, warm_up_frames=10).summary()["pose"].max_ms == pytest.approx(10)
    assert history([900, 900, 10, 10], warm_up_frames=10).summary()["pose"].count == 2


def test_a_stage_counts_only_the_frames_in_which_it_ran():
    made = LatencyHistory(0)
    for n in range(6):
        made.add(n, {"pose": 10.0} | ({"recognise": 2.0} if n % 3 == 0 else {}))
    summary = made.summary()
    assert summary["recognise"].count == 2 and summary["recognise"].p50_ms == pytest.approx(2)
    assert "draw" not in summary


def test_rows_are_in_the_loops_order_with_sinks_before_the_sums():
    made = LatencyHistory(0)
    made.add(0, {DECISION: 1, "video": 1, WAITING: 1, "track": 1, "capture": 1, OUTSIDE: 1, NETWORKS: 1, "json": 1})
    rows = ["capture", "track", "video", "json", NETWORKS, OUTSIDE, WAITING, DECISION]
    assert list(made.summary()) == rows


def test_measurements_of_a_frame_can_arrive_at_different_times():
    made = LatencyHistory(2)
    for n in range(10):
        made.add(n, {"pose": 1.0})
    for n in reversed(range(10)):
        made.add(n, {"video": 100.0 if n < 2 else 5.0})
    rows = made.summary()
    # The warm-up is counted in frames of the run, not in values of a row.
    assert rows["video"].count == rows["pose"].count == 8 and rows["video"].max_ms == pytest.approx(5)


def test_statistics_cover_the_last_frames_only(monkeypatch):
    monkeypatch.setattr("edge.latency.HISTORY_FRAMES", 500)
    made = LatencyHistory(0)
    for n in range(600):
        made.add(n, {"pose": 1000.0 if n < 100 else 1.0})
    row = made.summary()["pose"]
    assert row.count == 500 and row.max_ms == pytest.approx(1)


@pytest.mark.parametrize(("last", "frames"), [(5, 5), (95, 90), (1000, 90)])
def test_last_frames_exclude_the_warm_up(last, frames):
    row = history(range(100), warm_up_frames=10).summary(last)["pose"]
    assert row.count == frames and row.max_ms == pytest.approx(99)
    assert row.p50_ms == 99 - frames // 2


def test_timed_adds_wall_time_even_if_the_block_raises():
    latency_ms, start = {}, time.perf_counter()
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"), timed(latency_ms, "pose"):
            time.sleep(0.02)
            raise ValueError("broken")
    assert 39 < latency_ms["pose"] <= 1000 * (time.perf_counter() - start)


def test_the_table_has_one_row_per_stage_with_units_and_sums_last():
    console = Console(width=100, record=True, file=io.StringIO())
    made = LatencyHistory(0)
    for ms in (10, 15, 18):
        made.add(0, {DECISION: 2 * ms, "pose": ms})
    console.print(latency_table(made.summary(), "Latency"))
    text = console.export_text()
    assert "p99 ms" in text and text.count("15.00") == text.count("30.00") == 1
    assert text.count("pose") == text.count(DECISION) == 1 and text.index("pose") < text.index(DECISION)


def test_a_narrow_table_does_not_truncate_numbers():
    console = Console(width=48, record=True, file=io.StringIO())
    console.print(latency_table(history([10, 15, 18]).summary(), "Latency"))
    text = console.export_text()
    assert "…" not in text and "15.00" in text and max(map(len, text.splitlines())) <= 48


def test_adding_a_value_allocates_no_memory():
    history = LatencyHistory(0)
    history.add(0, {"pose": 1.0, "track": 1.0})
    tracemalloc.start()
    for n in range(50):
        history.add(n, {"pose": 1.0, "track": 1.0})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000  # a ring buffer has 432 000
