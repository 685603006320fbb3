"""Reports of finished trainings."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from edge.contract.errors import DataError
from train.evaluate import Accuracy
from train.report import read_report, report_table, write_report

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_report_has_the_accuracy_of_every_class(tmp_path: Path) -> None:
    result = Accuracy(0.75, 1.0, 0.75, np.array([[3, 1, 0], [0, 2, 2], [0, 0, 0]]))
    history = [{"epoch": 1, "seconds": 1.0, "task": 2.0}, {"epoch": 2, "seconds": 1.0, "task": 1.0}]
    write_report(tmp_path / "run", {"classes": ["sit", "stand", "fall"], "width": 4}, history, result, None)
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["per_class"] == {"sit": 0.75, "stand": 0.5, "fall": 0.0}
    assert report["top1"] == 0.75 and report["about"]["width"] == 4 and report["history"] == history
    for name in ("confusion.png", "curves.png"):
        assert (tmp_path / "run" / name).read_bytes().startswith(PNG)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["confusion.png", "curves.png", "report.json"]


def test_plots_of_many_classes_are_limited_in_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.report.MAX_INCHES", 6.0)
    classes = [f"class {number}" for number in range(40)]
    history = [{"epoch": 1, "seconds": 1.0, "task": 2.0}]
    write_report(tmp_path, {"classes": classes}, history, Accuracy(1.0, 1.0, 1.0, np.eye(40, dtype=np.int64)), None)
    plot = cv2.imread(str(tmp_path / "confusion.png"))
    assert plot is not None and plot.shape == (780, 780, 3), "6 inches of 130 dots, not 15"


def test_with_a_baseline_the_gain_of_each_class_is_plotted(tmp_path: Path) -> None:
    result = Accuracy(0.75, 1.0, 0.75, np.array([[3, 1], [0, 2]]))
    history = [{"epoch": 1, "seconds": 1.0, "task": 2.0}]
    about = {"classes": ["sit", "stand"]}
    write_report(tmp_path, about, history, result, ("alone", {"sit": 0.5, "stand": 1.0}))
    assert (tmp_path / "gain.png").read_bytes().startswith(PNG)


def test_the_table_lists_the_least_accurate_class_first_with_its_gain_in_points() -> None:
    result = Accuracy(5 / 6, 1.0, 0.875, np.array([[2, 0], [1, 3]]))
    console = Console(width=80, record=True, quiet=False)
    with console.capture() as captured:
        console.print(report_table("run", ["sit", "stand"], result, ("alone", {"sit": 0.875, "stand": 0.5})))
    assert "gain over alone" in captured.get()
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in captured.get().splitlines() if "│" in line]
    assert lines[0] == ["stand", "4", "75.0", "+25.0"]
    assert lines[1] == ["sit", "2", "100.0", "+12.5"]
    # Of the six clips the baseline had 0.875 * 2 + 0.5 * 4 = 3.75 right, this run five.
    assert lines[2] == ["all", "6", "83.33", "+20.83"]


def test_a_missing_or_damaged_report_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"report.json is missing; give the folder"):
        read_report(tmp_path)
    (tmp_path / "report.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"report\.json: not readable as JSON: .*; run the training again"):
        read_report(tmp_path)
