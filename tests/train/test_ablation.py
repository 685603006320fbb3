"""The ablation: methods over several seeds, in one table."""

import json
import math
import multiprocessing
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from edge.contract.errors import ConfigError, DataError
from edge.contract.preprocess import Preprocessing
from train.ablation import _teacher, _train_teacher, ablation
from train.ablation_report import Result, confidence_margin, gap_recovered, rows_of, write_ablation
from train.checkpoint import load_checkpoint
from train.configuration import AblationConfig, Hardware, TeacherConfig
from train.data.configuration import DataConfig
from train.data.pairs import PairConfig
from train.optimiser import Optimiser
from train.teach import train_teacher

DATA = DataConfig(clips_per_class=3, pairs=PairConfig(preprocessing=Preprocessing(length_frames=8, fps=4.0)))
PNG = b"\x89PNG\r\n\x1a\n"


def test_gap_recovered_is_the_fraction_of_the_distance_to_the_teacher() -> None:
    assert gap_recovered(0.7, 0.6, 0.8) == pytest.approx(0.5)
    assert gap_recovered(0.5, 0.6, 0.8) == pytest.approx(-0.5)
    assert math.isnan(gap_recovered(0.7, 0.8, 0.8)) and math.isnan(gap_recovered(0.7, 0.8, 0.75))


def test_the_confidence_margin_uses_students_t() -> None:
    # 1, 2, 3: standard deviation 1, standard error 1 / sqrt(3); t = 4.303 at two degrees of freedom, from a table.
    assert confidence_margin([1.0, 2.0, 3.0]) == pytest.approx(4.303 / math.sqrt(3), abs=1e-3)
    low, high = stats.ttest_1samp([4.0, 7.0, 5.0, 9.0], 0).confidence_interval(0.95)
    assert 2 * confidence_margin([4.0, 7.0, 5.0, 9.0]) == pytest.approx(high - low)
    assert confidence_margin([1.0, 3.0]) == pytest.approx(12.706, abs=1e-3) and math.isnan(confidence_margin([1.0]))


def results(drop: float | None = 0.6) -> list[Result]:
    """Three methods over three seeds; each seed of the last one gains ten points, at three times the seconds."""
    top1 = {"teacher on HQ": (0.9, 0.9, 0.9), "alone": (0.5, 0.6, 0.7), "paper": (0.6, 0.7, 0.8)}
    seconds = {"teacher on HQ": math.nan, "alone": 2.0, "paper": 6.0}
    return [
        Result(drop, name, seed, top1[name][seed], seconds[name] * (1, 1, 5)[seed])
        for name in top1
        for seed in (2, 1, 0)
    ]


def test_gains_are_computed_seed_by_seed() -> None:
    rows = rows_of(results())
    teacher, alone, paper = rows
    assert [row.method for row in rows] == ["teacher on HQ", "alone", "paper"]
    assert (
        paper.each == pytest.approx((60, 70, 80)) and paper.mean == pytest.approx(70) and paper.sd == pytest.approx(10)
    )
    # Each seed gains ten points, so the gain has no spread, however much the seeds differ.
    assert paper.gain == pytest.approx(10) and paper.gain_margin == pytest.approx(0, abs=1e-9)
    assert paper.margin == pytest.approx(4.303 * 10 / math.sqrt(3), abs=0.01)
    assert paper.gap == pytest.approx((0.7 - 0.6) / (0.9 - 0.6)) and paper.slowdown == pytest.approx(3)
    assert teacher.gap == pytest.approx(1) and alone.gain == 0


def test_a_single_seed_has_no_spread_and_no_interval(tmp_path: Path) -> None:
    paper = rows_of([result for result in results() if result.seed == 1])[2]
    assert (paper.mean, paper.gain) == (pytest.approx(70), pytest.approx(10)) and paper.gap == pytest.approx(1 / 3)
    assert math.isnan(paper.sd) and math.isnan(paper.margin) and math.isnan(paper.gain_margin)
    about = {"dataset": "penn", "training": "55 epochs", "seeds": [1]}
    write_ablation(tmp_path, None, about, [result for result in results() if result.seed == 1])
    page = (tmp_path / "ablation.md").read_text(encoding="utf-8")
    assert "| paper | 70.00 |  | 70.0 | +10.00 | 33 % | 3.00 |" in page and "nan" not in page
    written = json.loads((tmp_path / "ablation.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert [result["seconds_per_epoch"] for result in written["results"]] == [None, 2, 6]


def test_the_report_has_a_table_for_each_drop_and_says_how_it_was_made(tmp_path: Path) -> None:
    about = {"dataset": "penn", "training": "55 epochs", "seeds": [0, 1, 2]}
    write_ablation(tmp_path, None, about, [*results(0.9), *results(0.3)])
    head, table, other = (tmp_path / "ablation.md").read_text(encoding="utf-8").split("\n\n### penn, drop ")
    assert head.startswith("## penn\n\n- training: 55 epochs\n- 3 seeds: 0, 1, 2\n- ") and "PyTorch" in head
    # 70 points with a standard deviation of 10: 4.303 * 10 / sqrt(3) = 24.84.
    assert table.splitlines() == [
        "0.3", "",
        "| method | top-1 %, mean +- 95 % | sd | each seed | gain over alone +- 95 % | gap recovered | time |",
        "|---|---|---|---|---|---|---|",
        "| teacher on HQ | 90.00 +- 0.00 | 0.00 | 90.0 90.0 90.0 | +30.00 +- 24.84 |  |  |",
        "| alone | 60.00 +- 24.84 | 10.00 | 50.0 60.0 70.0 |  |  | 1.00 |",
        "| paper | 70.00 +- 24.84 | 10.00 | 60.0 70.0 80.0 | +10.00 +- 0.00 | 33 % | 3.00 |",
    ]  # fmt: skip
    assert other.startswith("0.9\n")
    write_ablation(tmp_path, None, about, [replace(result, top1=0.5) for result in results(None)])
    page = (tmp_path / "ablation.md").read_text(encoding="utf-8")
    assert "### penn, recorded LQ skeletons" in page and "nan" not in page


def test_a_gap_within_its_confidence_interval_is_not_divided_by() -> None:
    def gaps(*teacher: float) -> list[float]:
        top1 = {"teacher on HQ": teacher, "alone": (0.92, 0.8, 0.83), "paper": (0.9, 0.86, 0.865)}
        return [row.gap for row in rows_of([Result(None, m, s, v, 1.0) for m in top1 for s, v in enumerate(top1[m])])]

    # Gains of -2, 10 and 7 points: 5 +- 4.303 * 6.2 / sqrt(3), which contains 0.
    assert all(math.isnan(gap) for gap in gaps(0.9, 0.9, 0.9))
    assert gaps(0.97, 0.85, 0.88)[2] == pytest.approx(0.5), "all gain five points, and the means differ by 2.5"


def config(out: Path, **changes: object) -> AblationConfig:
    optimiser = Optimiser(epochs=1, batch=16, learning_rate=0.05)
    made = AblationConfig(
        out=out, data=DATA, seeds=(0, 1), drops=(0.3, 0.9), methods=("alone", "hinton"), teacher_width=6,
        network="dense_gcn_s", width=4, optimiser=optimiser, hardware=Hardware(threads=1), jobs=2, page=out / "page.md",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_an_ablation_writes_table_plot_and_page_and_does_not_train_twice(tmp_path: Path) -> None:
    ablation(config(tmp_path))
    found = json.loads((tmp_path / "ablation.json").read_text(encoding="utf-8"))["results"]
    top1 = {(r["drop"], r["method"], r["seed"]): r["top1"] for r in found}
    assert len(top1) == len(found) == 2 * 2 * 4, "two drops, two seeds, two teachers' rows, two methods"
    rows = ["teacher on HQ", "teacher on LQ", "alone", "hinton"]
    assert list(dict.fromkeys(result["method"] for result in found)) == rows
    for drop in (0.3, 0.9):
        for method in ("alone", "hinton"):
            for seed in (0, 1):
                folder = tmp_path / f"drop{drop}" / method / f"seed{seed}"
                report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
                assert top1[drop, method, seed] == report["top1"]
                assert (report["about"]["network"], report["about"]["width"]) == ("dense_gcn_s", 4)
                taught_by = load_checkpoint(tmp_path / "teacher" / f"seed{seed}").fingerprint()
                assert report["about"]["teacher"] == taught_by
                assert report["about"]["method"] == method and report["about"]["pairs"]["drop"] == drop
    assert all(top1[0.3, "teacher on HQ", seed] == top1[0.9, "teacher on HQ", seed] for seed in (0, 1))
    assert (tmp_path / "ablation.png").read_bytes().startswith(PNG)
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.count("| alone |") == page.count("| hinton |") == 2 and "<!-- kinematic: begin -->" in page

    checkpoints = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("checkpoint.pt")}
    assert len(checkpoints) == 2 + 2 * 2 * 2
    ablation(config(tmp_path, jobs=1))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("checkpoint.pt")} == checkpoints


def test_the_teacher_is_evaluated_on_the_skeletons_of_each_drop(tmp_path: Path) -> None:
    """Without drop LQ is HQ. With all joints dropped all clips are the same: that of one of the 12 classes is right."""
    made = config(tmp_path, drops=(0.0, 1.0), optimiser=Optimiser(epochs=40, batch=8, learning_rate=0.05))
    top1 = {(result.method, result.drop): result.top1 for result in _train_teacher(_teacher(made, 0), made)}
    none = top1["teacher on LQ", 1.0]
    assert none == pytest.approx(1 / 12) and none < top1["teacher on HQ", 1.0]
    assert top1["teacher on LQ", 0.0] == top1["teacher on HQ", 0.0] == top1["teacher on HQ", 1.0]


def test_a_training_that_fails_ends_the_ablation_with_its_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="test clips are too few"):
        ablation(config(tmp_path, data=replace(DATA, clips_per_class=2), jobs=1))


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("by", ["memory", "user"])
def test_an_ablation_that_is_stopped_does_not_wait_for_its_trainings(
    tmp_path: Path, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop() -> None:
        end = time.monotonic() + 300
        while len(list(tmp_path.glob("teacher/seed*"))) < 2 and time.monotonic() < end:  # both trainings run
            time.sleep(0.01)
        if by == "memory":
            max(multiprocessing.active_children(), key=lambda worker: worker.pid or 0).kill()  # started last
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    endless = config(tmp_path, optimiser=Optimiser(epochs=100_000, batch=16))
    threading.Thread(target=stop, daemon=True).start()
    error, message = (ConfigError, "killed, probably because memory") if by == "memory" else (KeyboardInterrupt, None)
    with pytest.raises(error, match=message):
        ablation(endless)
    assert ("the same command resumes" in capsys.readouterr().err) == (by == "user")
    assert len(list(tmp_path.glob("teacher/seed*"))) == 2
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": ()}, "needs seeds"),
        ({"seeds": (1, 2, 1)}, "seeds has a value twice"),
        ({"drops": (0.5, 0.5)}, "drops has a value twice"),
        ({"methods": ("alone", "alone")}, "methods has a value twice"),
        ({"methods": ("paper",)}, "the method alone"),
        ({"methods": ("alone", "magic")}, "unknown method 'magic'"),
    ],
)
def test_an_ablation_that_compares_nothing_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(tmp_path, **change)


def test_a_clip_length_that_is_not_a_multiple_of_4_is_refused(tmp_path: Path) -> None:
    pairs = PairConfig(preprocessing=Preprocessing(length_frames=30))
    with pytest.raises(ConfigError, match=r"30 frames cannot be halved twice.*multiple of 4"):
        train_teacher(
            TeacherConfig(out=tmp_path, data=replace(DATA, pairs=pairs), width=4, hardware=Hardware(threads=1))
        )
