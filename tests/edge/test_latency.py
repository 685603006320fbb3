"""The figures of the latency table, against percentiles worked out by hand."""

import io
import time

import pytest
from rich.console import Console

from edge.latency import DECISION, NETWORKS, OUTSIDE, TOTAL, StageTimer, latency_table


def timed(values_ms, *, warm_up_frames=0, stage="pose"):
    timer = StageTimer(warm_up_frames)
    for ms in values_ms:
        timer.add(stage, ms / 1000)
        timer.next_frame()
    return timer


def test_percentiles_are_interpolated_between_the_sorted_values():
    row = timed([50, 10, 40, 20, 30]).summary()["pose"]
    # Rank 0.9 * 4 = 3.6 lies between 40 and 50; 0.99 * 4 = 3.96 likewise.
    assert row.frames == 5 and row.p50_ms == pytest.approx(30) and row.max_ms == pytest.approx(50)
    assert row.p90_ms == pytest.approx(46) and row.p99_ms == pytest.approx(49.6)


def test_one_slow_frame_in_a_hundred_shows_in_p99_and_not_in_p90():
    row = timed([10] * 98 + [500] * 2).summary()["pose"]
    assert row.p50_ms == row.p90_ms == pytest.approx(10) and row.p99_ms == pytest.approx(500)


def test_the_warm_up_is_left_out_but_never_more_than_half_of_a_short_run():
    assert timed([900] * 10 + [10] * 20, warm_up_frames=10).summary()["pose"].max_ms == pytest.approx(10)
    assert timed([900, 900, 10, 10], warm_up_frames=10).summary()["pose"].frames == 2


def test_a_stage_counts_only_the_frames_in_which_it_ran():
    timer = StageTimer(0)
    for n in range(6):
        timer.add("pose", 0.010)
        if n % 3 == 0:
            timer.add("recognise", 0.002)
        timer.next_frame()
    summary = timer.summary()
    assert summary["recognise"].frames == 2 and summary["recognise"].p50_ms == pytest.approx(2)
    assert "draw" not in summary


def test_networks_and_the_rest_add_up_to_the_decision_and_all_stages_to_the_total():
    timer = StageTimer(0)
    for stage, ms in (("capture", 5), ("pose", 20), ("track", 1), ("recognise", 4)):
        timer.add(stage, ms / 1000)
    timer.add_sums(network_s=0.022)
    timer.add("draw", 0.003)
    timer.add("write", 0.007)
    timer.next_frame()
    rows = {name: row.p50_ms for name, row in timer.summary().items()}
    assert rows[NETWORKS] == pytest.approx(22) and rows[OUTSIDE] == pytest.approx(3)
    assert rows[DECISION] == pytest.approx(25) and rows[TOTAL] == pytest.approx(40)
    assert list(rows) == ["capture", "pose", "track", "recognise", "draw", "write", NETWORKS, OUTSIDE, DECISION, TOTAL]


def test_a_stage_measures_wall_time_even_when_it_fails():
    timer = StageTimer(0)
    with pytest.raises(ValueError, match="broken"), timer.stage("pose"):
        time.sleep(0.02)
        raise ValueError("broken")
    assert 19 < timer.current["pose"] < 200


def test_the_table_shows_every_stage_with_its_unit():
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(latency_table(timed([10, 20]).summary(), "Latency"))
    text = console.export_text()
    assert "p99 ms" in text and "15.00" in text and "pose" in text
