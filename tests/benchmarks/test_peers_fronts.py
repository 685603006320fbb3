"""Accuracy against latency: the Pareto front, the better training of a network, and the tables from run folders."""

import json
from pathlib import Path

import pytest

from benchmarks.peers import accuracy_tables, trainings
from benchmarks.peers.accuracy import trainings as trainings_of
from benchmarks.peers.fronts import Point, better_training, pareto_front
from benchmarks.peers.trainings import ALONE, FOR_AS_LONG, ROWS, Training
from train.configuration import StudentConfig, TeacherConfig


def point(row: str, ms: float, top1: float, precision: str = "FP32") -> Point:
    return Point(row, precision, ms, top1)  # type: ignore[arg-type]


def test_the_front_has_the_points_that_no_other_dominates() -> None:
    fast, slow, best = point("dd_net_s", 1, 90), point("dd_net", 2, 95), point("st_gcn", 4, 97)
    behind, as_accurate_but_slower = point("dd_net_m", 3, 94), point("st_gcn_pp", 5, 97)
    assert pareto_front([behind, best, as_accurate_but_slower, fast, slow]) == [fast, slow, best]


def test_of_two_equally_fast_points_the_more_accurate_is_on_the_front() -> None:
    assert pareto_front([point("dd_net", 1, 90), point("st_gcn", 1, 91)]) == [point("st_gcn", 1, 91)]


def test_both_precisions_are_of_the_training_that_is_best_in_fp32() -> None:
    short = [point("dd_net", 1, 90), point("dd_net", 2, 93, "INT8")]
    longer = [point("dd_net, longer", 1, 92), point("dd_net, longer", 2, 91, "INT8")]
    assert better_training([*short, *longer]) == longer, "chosen by FP32, not by INT8"


def run_of(row: str, dataset: str, see: str, seed: int, top1: float, minutes: float, int8: float) -> None:
    out = Training(row, dataset, see, seed).out  # type: ignore[arg-type]
    out.mkdir(parents=True)
    history = [{"seconds": 30 * minutes}, {"seconds": 30 * minutes}]
    (out / "report.json").write_text(json.dumps({"top1": top1 / 100, "history": history}))
    result = {"fp32": top1, "int8": int8, "agreement": 99.0, "float_layers": 2}
    (out / "int8.json").write_text(json.dumps(result))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainings, "RUNS", tmp_path)
    run_of("dd_net", "penn_action", "lq", 0, 90.0, 2.0, 89.0)
    run_of("dd_net", "penn_action", "lq", 1, 92.0, 4.0, 92.5)
    run_of("dense_gcn 16, taught", "penn_action", "lq", 0, 95.0, 3.0, 94.0)
    run_of("dense_gcn 16", "penn_action", "lq", 0, 99.0, 3.0, 99.0)
    unfinished = Training("st_gcn", "penn_action", "lq", 0).out
    unfinished.mkdir(parents=True)


@pytest.mark.usefixtures("runs")
def test_a_row_has_mean_deviation_and_number_of_seeds() -> None:
    lines = accuracy_tables.accuracies(["dd_net", "st_gcn"])
    # 90 and 92: mean 91, sample deviation sqrt 2.
    assert lines[2] == "| dd_net | did not run | 91.0 \u00b1 1.4 (2) | did not run | did not run | 3.0 |  |"
    assert lines[3] == "| st_gcn | did not run | did not run | did not run | did not run |  |  |"


@pytest.mark.usefixtures("runs")
def test_int8_accuracy_is_given_with_its_difference_from_fp32() -> None:
    assert "| 90.8 (-0.2), 99.0 |" in accuracy_tables.int8_accuracies(["dd_net"])[2]


@pytest.mark.usefixtures("runs")
def test_distilled_networks_of_ours_are_compared_and_the_front_lists_both_sides() -> None:
    times = {
        "dd_net | FP32 | own processor": [0.5],
        "dd_net | INT8 | own processor": [0.6],
        "dense_gcn 16 | FP32 | own processor": [0.2],
    }
    compared = accuracy_tables.compared("penn_action", "lq", times)
    assert {p.row for p in compared} == {"dd_net", "dense_gcn 16, taught"}, (
        "distilled on LQ skeletons, although training alone is better"
    )
    line = accuracy_tables.fronts(times)[3]
    assert line == (
        "| Penn Action, LQ | dense_gcn 16, taught, FP32: 95.0 at 0.20 ms | none | dd_net, FP32: 91.0 at 0.50 ms |"
    )


def test_trainings_alone_share_their_settings_and_distilled_ones_have_a_teacher_on_hq_skeletons() -> None:
    alone = [Training(row, "utd_mhad", "lq", 3).config(Path("data")) for row in ALONE]
    assert all(isinstance(config, TeacherConfig) for config in alone)
    assert len({(config.optimiser, config.data, config.hardware, config.seed) for config in alone}) == 1
    taught = [Training(row, "utd_mhad", "hq", 3) for row in FOR_AS_LONG if ROWS[row].teacher]
    assert taught
    for training in taught:
        config = training.config(Path("data"))
        assert isinstance(config, StudentConfig)
        assert config.data.pairs.drop == 0, "a student of HQ skeletons"
        assert config.data.pairs.mirror == ("mirrored" in training.row)
        own = "dense_gcn_motion 16, longer" if "motion" in training.row else "dense_gcn 48, longer"
        assert config.teacher == Training(own, "utd_mhad", "hq", 3).out


def test_clips_of_classes_that_name_a_side_are_never_mirrored() -> None:
    rows, qualities = [row for row in ROWS if ROWS[row].mirrored], ["hq", "lq"]
    assert rows and not list(trainings_of(["utd_mhad"], rows, qualities, seeds=2))
    assert len(list(trainings_of(["penn_action", "utd_mhad"], rows, qualities, seeds=2))) == 2 * len(rows)


def test_a_row_is_trained_only_on_the_qualities_it_names() -> None:
    asked = trainings_of(["penn_action"], ["dense_gcn 16, taught", "dense_gcn 16"], ["hq", "lq"], seeds=1)
    assert {(t.row, t.see) for t in asked} == {
        ("dense_gcn 16, taught", "lq"), ("dense_gcn 16", "hq"), ("dense_gcn 16", "lq")
    }  # fmt: skip
