"""Rates, batches, accuracy, reports, and the table of teacher, LQ-only and distilled students."""

import json
import statistics
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge.contract.errors import ConfigError, DataError
from edge.contract.preprocess import Preprocessing
from train.compare import CompareConfig, compare, gap_recovered
from train.data.pairs import PairConfig
from train.data.registry import DataConfig, read_dataset
from train.evaluate import Accuracy, accuracy
from train.fit import Optimiser, _batches
from train.report import write_report
from train.teach import TeacherConfig, train_teacher

DATA = DataConfig(clips_per_class=3, pairs=PairConfig(preprocessing=Preprocessing(length_frames=8, fps=4.0)))
PNG = b"\x89PNG\r\n\x1a\n"


def test_the_releases_schedule_at_its_own_55_epochs() -> None:
    settings = Optimiser(epochs=55, learning_rate=0.1)
    rates = [settings.rate(epoch / 55) for epoch in range(55)]
    expected = [0.1] * 30 + [0.01] * 10 + [0.001] * 10 + [0.0001] * 5
    assert rates == pytest.approx(expected)


def test_the_cosine_schedule_warms_up_and_ends_at_nothing() -> None:
    settings = Optimiser(learning_rate=0.2, schedule="cosine")
    assert settings.rate(0) == 0 and settings.rate(1) == pytest.approx(0)
    assert settings.rate(0.5) == pytest.approx(0.1)
    rates = [settings.rate(x) for x in np.linspace(0.05, 1, 50)]
    assert all(a > b for a, b in pairwise(rates)) and max(rates) < 0.2


@pytest.mark.parametrize("settings", [{"epochs": 0}, {"batch": 1}])
def test_settings_that_train_nothing_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="train nothing"):
        Optimiser(**settings)  # type: ignore[arg-type]


def test_an_epoch_is_every_clip_once_without_a_last_batch_of_one() -> None:
    rng, labels = np.random.default_rng(0), np.zeros(33, np.int64)
    batches = list(_batches(labels, Optimiser(batch=16), rng))
    assert [len(batch) for batch in batches] == [16, 16]
    assert len(set(np.concatenate(batches).tolist())) == 32
    whole = list(_batches(np.zeros(34, np.int64), Optimiser(batch=16), rng))
    assert sorted(np.concatenate(whole).tolist()) == list(range(34))


def test_balanced_batches_draw_every_class_alike() -> None:
    # 400 clips of class 0, 25 of class 1, 75 of class 2; eight epochs of 500.
    labels = np.repeat([0, 1, 2], [400, 25, 75])
    rng, settings = np.random.default_rng(0), Optimiser(batch=50, balanced=True)
    drawn = np.concatenate([batch for _ in range(8) for batch in _batches(labels, settings, rng)])
    assert len(drawn) == 8 * 500
    # Five standard deviations of a share of 1/3 in 4000 draws are 0.037.
    np.testing.assert_allclose(np.bincount(labels[drawn]) / len(drawn), 1 / 3, atol=0.037)
    assert len(set(drawn[labels[drawn] == 1].tolist())) == 25, "every clip of the small class has its turn"


def test_accuracy_by_hand() -> None:
    # Six classes, four clips: right; second best; last of all; right. Class 0 is right once in two.
    logits = np.array([[9, 8, 7, 6, 5, 4], [8, 9, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [1, 2, 9, 0, 0, 0]], np.float32)
    labels = np.array([0, 0, 5, 2])
    told = accuracy(logits, labels)
    assert told.top1 == pytest.approx(2 / 4) and told.top5 == pytest.approx(3 / 4)
    assert told.mean_class == pytest.approx((1 / 2 + 0 + 1) / 3)
    expected = np.zeros((6, 6), int)
    expected[0, 0] = expected[0, 1] = expected[5, 0] = expected[2, 2] = 1
    assert np.array_equal(told.confusion, expected)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_among_five_classes_or_fewer_the_answer_is_always_in_the_top_five(classes: int) -> None:
    logits = -np.eye(classes, dtype=np.float32)
    told = accuracy(logits, np.arange(classes))
    assert told.top5 == 1 and told.top1 == 0


def test_a_report_says_for_every_class_how_often_it_was_right(tmp_path: Path) -> None:
    result = Accuracy(0.75, 1.0, 0.75, np.array([[3, 1, 0], [0, 2, 2], [0, 0, 0]]))
    history = [{"epoch": 1, "seconds": 1.0, "task": 2.0}, {"epoch": 2, "seconds": 1.0, "task": 1.0}]
    write_report(tmp_path / "run", {"classes": ["sit", "stand", "fall"], "width": 4}, history, result)
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["per_class"] == {"sit": 0.75, "stand": 0.5, "fall": 0.0}
    assert report["top1"] == 0.75 and report["about"]["width"] == 4 and report["history"] == history
    for name in ("confusion.png", "curves.png"):
        assert (tmp_path / "run" / name).read_bytes().startswith(PNG)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["confusion.png", "curves.png", "report.json"]


def test_gap_recovered_is_the_share_of_the_way_to_the_teacher() -> None:
    assert gap_recovered(0.7, 0.6, 0.8) == pytest.approx(0.5)
    assert gap_recovered(0.5, 0.6, 0.8) == pytest.approx(-0.5)
    assert np.isnan(gap_recovered(0.7, 0.8, 0.8))


def config(out: Path, seeds: tuple[int, ...] = (0, 1)) -> CompareConfig:
    optimiser = Optimiser(epochs=1, batch=16, learning_rate=0.05)
    return CompareConfig(
        out=out, data=DATA, seeds=seeds, students=("dense_gcn",), width=4, optimiser=optimiser, threads=1
    )


def test_a_comparison_writes_its_table_and_trains_nothing_twice(tmp_path: Path) -> None:
    compare(config(tmp_path))
    found = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert found["seeds"] == [0, 1]
    rows = {
        "teacher on HQ": "teacher",
        "dense_gcn, LQ only": "dense_gcn-lq",
        "dense_gcn, distilled": "dense_gcn-distilled",
    }
    assert list(found["top1"]) == list(rows)
    for name, folder in rows.items():
        reports = [json.loads((tmp_path / f"seed{s}" / folder / "report.json").read_text("utf-8")) for s in (0, 1)]
        assert found["top1"][name] == [report["top1"] for report in reports]
        assert [report["about"]["see"] for report in reports] == ["hq" if folder == "teacher" else "lq"] * 2
        assert [path.name for path in (tmp_path / "seed0" / folder).glob("*.png")]

    table = (tmp_path / "comparison.md").read_text(encoding="utf-8").splitlines()
    assert [row.split(" | ")[0].removeprefix("| ") for row in table[2:5]] == list(rows)
    for row, values in zip(table[2:5], found["top1"].values(), strict=True):
        mean, sd = (float(cell) for cell in row.split(" | ")[1:3])
        assert mean == pytest.approx(100 * statistics.mean(values), abs=0.005)
        assert sd == pytest.approx(100 * statistics.stdev(values), abs=0.005)

    checkpoints = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("checkpoint.pt")}
    assert len(checkpoints) == 6
    compare(config(tmp_path, seeds=(0, 1)))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("checkpoint.pt")} == checkpoints
    assert json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8")) == found


def test_seeds_differ_and_one_seed_has_no_deviation(tmp_path: Path) -> None:
    compare(config(tmp_path, seeds=(3,)))
    table = (tmp_path / "comparison.md").read_text(encoding="utf-8").splitlines()
    assert [row.split(" | ")[2] for row in table[2:5]] == ["nan"] * 3


def test_a_comparison_without_seeds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without seeds"):
        config(tmp_path, seeds=())


def test_a_set_without_test_clips_is_refused_before_it_is_trained_on(tmp_path: Path) -> None:
    data = replace(DATA, clips_per_class=2)
    assert Counter(clip.train for clip in read_dataset(data).clips)[False] == 0
    with pytest.raises(DataError, match=r"and 0 test clips are too few.*clips_per_class"):
        train_teacher(TeacherConfig(out=tmp_path / "run", data=data, width=4, threads=1))
    assert not (tmp_path / "run").exists()


def test_a_clip_that_does_not_halve_twice_is_refused(tmp_path: Path) -> None:
    pairs = PairConfig(preprocessing=Preprocessing(length_frames=30))
    with pytest.raises(ConfigError, match=r"30 frames do not halve twice.*multiple of 4"):
        train_teacher(TeacherConfig(out=tmp_path, data=replace(DATA, pairs=pairs), width=4, threads=1))
