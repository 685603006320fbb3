"""Benchmark figures against hand-computed values, and the commands on a small bundle."""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_bundle

from edge.bench.accuracy import AccuracyConfig, missed_minimums
from edge.bench.accuracy_figures import accuracy_figures
from edge.bench.commands import BENCH_COMMANDS
from edge.bench.compare import changes, compare, differences
from edge.bench.confusion_plot import CELL, MARGIN, confusion_plot
from edge.bench.distribution_plot import FILL, ROW, distribution_plot
from edge.bench.latency_report import FORMAT, as_markdown
from edge.cli.command_line import run_command_line
from edge.contract.bundle import read_bundle
from edge.latency import Latency


def test_single_stream_is_the_ninetieth_of_a_hundred_and_the_ninth_of_ten():
    hundred = Latency.of([float(n) for n in range(100, 0, -1)])
    assert (hundred.p50_ms, hundred.p90_ms, hundred.p99_ms, hundred.max_ms) == (50, 90, 99, 100)
    assert Latency.of([float(n) for n in range(1, 11)]).p90_ms == 9 and Latency.of([7.0]).p50_ms == 7


def run_of(rate, decision):
    row = {"frames": 170, "p50_ms": decision, "p90_ms": 2 * decision, "p99_ms": 3 * decision, "max_ms": 4 * decision}
    return {"frames": 200, "frames_per_s": rate, "dropped": 1, "failed": 0, "stages": {"capture to decision": row}}


def queries(p50, device=None):
    rest = {"queries": 9, "p90_ms": 1, "p99_ms": 1, "max_ms": 1}
    return {"p50_ms": p50, **rest, "device": None if device is None else {"p50_ms": device, **rest}}


def batch_of(p50, device=None):
    return [{"batch": 1, "clips_per_s": 1, **queries(p50, device)}]


def shown(p50):
    return {
        "shown": 9,
        "unread": 1,
        "dropped": 2,
        "queries": 8,
        "p50_ms": p50,
        **dict.fromkeys(("p90_ms", "p99_ms", "max_ms"), 3 * p50),
    }


def report(rates, decisions, p50s=(1.0, 1.0, 1.0)):
    return {
        "bundle": "tiny",
        "precision": "int8",
        "threads": {},
        "source": "clip",
        "pose": "P",
        "student": "S",
        "machine": {"machine": "Orin", "cpu": "A78", "cores": 6, "power_mode": "NV Power Mode: 25W"},
        "load_before": 0.1,
        "loop": [run_of(*pair) for pair in zip(rates, decisions, strict=True)],
        "student_batches": [batch_of(p50) for p50 in p50s],
        "pose_networks": [{"pose.engine": queries(2 * p50)} for p50 in p50s],
        "display": {"to": "output", "runs": [shown(2 * decision) for decision in decisions]},
        "peak_memory_mb": 300.0,
        "board": None,
    }


def test_separate_ranges_are_a_change_and_overlapping_ones_are_not():
    before = report([30, 31, 32], [20, 21, 22], [1.0, 1.0, 1.0])
    after = report([33, 36, 34], [19, 20.5, 21], [1.02, 1.02, 1.02])
    found = {change.what: change for change in changes(before, after)}
    assert found["capture to display (output), p50 ms"].ratio == pytest.approx(41 / 42)
    assert found["frames per second"].ratio == pytest.approx(34 / 31) and found["frames per second"].significant
    assert not found["capture to decision, p50 ms"].significant
    # Separate ranges, but below the minimum change.
    assert (
        found["student, batch 1, p50 ms"].ratio == pytest.approx(1.02)
        and not found["student, batch 1, p50 ms"].significant
    )


def test_single_runs_and_touching_ranges_show_no_significant_change():
    assert not any(change.significant for change in changes(report([30], [20], [1]), report([60], [10], [9])))
    assert not any(
        change.significant for change in changes(report([30], [20], [1]), report([60, 61], [10, 10], [9, 9]))
    )
    touching = changes(report([30, 31], [20, 21], [1, 1]), report([31, 40], [21, 30], [1, 1]))
    assert not any(change.significant for change in touching)


def test_a_stage_that_did_not_run_in_every_run_is_not_compared():
    found = report([30, 31], [20, 21])
    del found["loop"][1]["stages"]["capture to decision"]
    assert not any("capture to decision" in change.what for change in changes(found, found))


def test_more_frames_per_second_are_faster_and_more_milliseconds_slower(tmp_path, capsys):
    for name, given in (("a", report([30, 31], [20, 21])), ("b", report([60, 61], [40, 41]))):
        (tmp_path / name).write_text(json.dumps({"format": FORMAT, **given}))
    compare(tmp_path / "a", tmp_path / "b")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2] for line in lines if "frames per second" in line] == ["faster"]
    assert [line.split()[-2] for line in lines if "capture to decision" in line] == ["slower"] * 2


def test_differences_of_settings_are_listed():
    other = copy.deepcopy(report([30], [20], [1]))
    other["machine"]["power_mode"], other["student"] = "NV Power Mode: MAXN_SUPER", "T"
    found = differences(report([30], [20], [1]), other)
    assert found == ["student: S and T", "power_mode: NV Power Mode: 25W and NV Power Mode: MAXN_SUPER"]


def test_a_minimum_of_a_figure_that_could_not_be_measured_is_missed():
    config = AccuracyConfig(Path("bundle"), clips=Path("test.npz"), min_top1=90.0, min_agreement=98.0)
    figures = {"top1": 90.0, "mean_per_class": 1.0, "agreement": None}
    assert missed_minimums(config, figures) == ["agreement unknown of 98"]


def test_the_report_has_medians_and_the_spread_of_the_runs():
    text = as_markdown(report([30, 31, 35], [20, 21, 30]))
    assert "frames per second: 31.0 (30.0 to 35.0 in 3 runs)" in text and "dropped: 3" in text
    assert "| capture to decision | 21.00 | 42.00 | 63.00 | 84.00 | 48 % |" in text
    assert "| capture to display | 42.00 | 126.00 | 126.00 | 126.00 | 48 % |" in text
    assert "27 displayed, 6 dropped for newer ones, 3 with a covered timecode" in text
    assert "in 1 run)" in (single := as_markdown(report([30], [20]))) and "Medians of 1 run;" in single


def test_gpu_times_are_shown_beside_host_times_if_there_are_any():
    found = report([30, 31, 32], [20, 21, 22])
    assert "GPU" not in as_markdown(found)
    found["student_batches"] = [batch_of(1.0, device) for device in (0.4, 0.6, 0.5)]
    text = as_markdown(found)
    assert "| batch | p50 ms | p90 ms | p99 ms | max ms | spread | GPU p50 ms | GPU p90 ms |" in text
    assert "| 1 | 1.00 | 1.00 | 1.00 | 1.00 | 0 % | 0.50 | 1.00 |" in text and "| pose.engine | 2.00 |" in text
    assert {change.what for change in changes(found, found)} >= {"student, batch 1, GPU p50 ms", "pose.engine, p50 ms"}


def test_accuracy_by_hand():
    # Seven classes; ranks of the right one: first, fifth, sixth, first.
    logits = np.array(
        [[9, 1, 0, 0, 0, 0, 0], [9, 5, 8, 7, 6, 0, 0], [6, 5, 1, 4, 3, 2, 0], [9, 1, 0, 0, 0, 0, 0]], np.float32
    )
    found = accuracy_figures(logits, np.array([0, 1, 2, 0]))
    assert (found.top1, found.top5) == (50, 75)
    assert found.mean_per_class == pytest.approx(100 / 3) and np.isnan(found.per_class[6])
    assert found.confusion[0, 0] == 2 and found.confusion[1, 0] == found.confusion[2, 0] == 1


def test_the_confusion_plot_is_dark_where_counts_are_high():
    picture = confusion_plot(np.array([[4, 0], [3, 1]]), ["squat", "wave"])
    middle = [[picture[MARGIN + r * CELL + 10, MARGIN + c * CELL + 10].tolist() for c in (0, 1)] for r in (0, 1)]
    assert middle[0] == [[255, 40, 40], [255, 255, 255]] and sum(middle[1][0]) < sum(middle[1][1])


def command(*arguments):
    run_command_line("edge bench", "", BENCH_COMMANDS, [str(argument) for argument in arguments])


@pytest.fixture
def clips(bundle_folder, tmp_path):
    """The bundle's clips, labelled with the FP32 student's decisions except for the last four of sixteen."""
    reference = read_bundle(bundle_folder).reference()
    labels = reference["logits"].argmax(1)
    labels[-4:] = (labels[-4:] + 1) % len(tiny_bundle.CLASSES)
    np.savez(tmp_path / "test.npz", clips=reference["clips"], labels=labels)
    return tmp_path / "test.npz"


def test_accuracy_of_a_bundle_with_report_and_plot(bundle_folder, clips, tmp_path, capsys):
    command(
        *("accuracy", "--bundle", bundle_folder, "--clips", clips, "--min_top1", 75, "--min_agreement", 100),
        *("--report", tmp_path / "a.json", "--confusion", tmp_path / "c.png", "--threads", 1),
    )
    written = json.loads((tmp_path / "a.json").read_text())
    assert (
        written["top1"] == 75 and written["agreement"] == written["agreement_stored"] == 100 and written["missed"] == []
    )
    assert (
        sum(map(sum, written["confusion"])) == written["samples"] == 16
        and cv2.imread(str(tmp_path / "c.png")) is not None
    )
    assert "75.00 %" in capsys.readouterr().err


def test_a_missed_minimum_is_exit_code_1(bundle_folder, clips, capsys):
    with pytest.raises(SystemExit) as left:
        command("accuracy", "--bundle", bundle_folder, "--clips", clips, "--min_top1", 75.1)
    assert left.value.code == 1 and "missed: top1 75.00 of 75.1" in capsys.readouterr().err


def test_latency_of_a_replay_and_compared_with_itself(bundle_folder, replay, tmp_path, capsys):
    out = tmp_path / "bench"
    command(
        *("latency", "--bundle", bundle_folder, "--source", replay, "--out", out, "--runs", 2, "--frames", 40),
        *("--warm_up_frames", 10, "--queries", 5, "--recogniser.threads", 1),
    )
    written = json.loads((out / "latency.json").read_text())
    assert [run["frames"] for run in written["loop"]] == [40, 40] and written["precision"] == "int8"
    row = written["loop"][0]["stages"]["capture to decision"]
    assert row["frames"] == 30 and 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] <= row["max_ms"]
    assert [found["batch"] for found in written["student_batches"][0]] == list(range(1, 9))
    third = written["student_batches"][0][2]
    assert third["queries"] == 5 and third["clips_per_s"] == pytest.approx(3 / (third["p50_ms"] / 1000), rel=0.02)
    assert written["peak_memory_mb"] > 50 and "single-stream" in (out / "latency.md").read_text()
    report = out / "latency.json"
    command("latency", "--compare", report, report)
    output = capsys.readouterr().out
    assert "1.000" in output and "slower" not in output and "faster" not in output


def test_an_unwritable_report_is_an_error_before_anything_is_measured(bundle_folder, clips, replay, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    for argv in (
        ("latency", "--source", replay, "--frames", 20, "--warm_up_frames", 5, "--out", tmp_path / "taken"),
        ("accuracy", "--clips", clips, "--report", tmp_path / "taken" / "a.json"),
    ):
        with pytest.raises(SystemExit) as left:
            command(*argv, "--bundle", bundle_folder)
        output = capsys.readouterr().err
        assert left.value.code == 2 and output.startswith(f"error: {tmp_path}/taken/") and output.count("\n") == 1


@pytest.mark.parametrize("reports", [["a.json"], ["a.json", "b.json", "c.json"]])
def test_other_than_two_reports_are_not_compared(reports, capsys):
    with pytest.raises(SystemExit) as left:
        command("latency", "--compare", *reports)
    output = capsys.readouterr().err
    assert left.value.code == 2 and "compare" in output and output.count("\n") == 1


def test_the_distribution_plot_draws_a_stage_at_its_times():
    values = {"pose": np.full(50, 10.0, np.float32), "track": np.array([1.0] * 50 + [100.0], np.float32)}
    picture = distribution_plot(values)
    # From 1 to 100 ms over 760 columns: 1 is at column 200, 10 in the middle, 100 at the right end.
    humps = [np.flatnonzero((picture[row * ROW : (row + 1) * ROW] == FILL).all(axis=2).any(axis=0)) for row in (0, 1)]
    assert abs(humps[0].mean() - (200 + 380)) < 8
    assert humps[1].min() < 206 and humps[1].max() > 950 and not ((humps[1] > 220) & (humps[1] < 940)).any()
