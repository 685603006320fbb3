"""Interrupted and resumed trainings end with the weights of uninterrupted ones."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import train.fit
from tests.train.tiny_runs import BATCHES, student_config, teacher_config
from train.checkpoint import FILE, load_checkpoint
from train.configuration import Hardware
from train.teach import train_student, train_teacher


def interrupted(training: Callable[[], object], batches: int) -> None:
    """Run the training and press Ctrl-C after that many batches."""
    count, compute = Counter[str](), train.fit.compute_gradients

    def stop(*args: Any) -> dict[str, float]:
        count["batches"] += 1
        if count["batches"] > batches:
            raise KeyboardInterrupt
        return compute(*args)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train.fit, "compute_gradients", stop)
        training()


def assert_same_run(one: Path, other: Path) -> None:
    ours, theirs = load_checkpoint(one), load_checkpoint(other)
    for part in ("network", "extra", "best"):
        a, b = getattr(ours, part), getattr(theirs, part)
        assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
    for a, b in zip(ours.history, theirs.history, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    report, other_report = (json.loads((run / "report.json").read_text(encoding="utf-8")) for run in (one, other))
    assert (report["top1"], report["per_class"]) == (other_report["top1"], other_report["per_class"])


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_teacher_interrupted_in_an_epoch_and_resumed_ends_with_the_same_weights(
    tmp_path: Path, teacher: Path, epochs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    config = teacher_config(tmp_path / "run")
    interrupted(lambda: train_teacher(config), epochs * BATCHES + 1)
    assert "the same command resumes" in capsys.readouterr().err
    assert len(load_checkpoint(config.out).history) == epochs
    assert not (config.out / "report.json").exists(), "only finished runs have a report"
    train_teacher(config)
    assert_same_run(config.out, teacher)


def test_a_student_interrupted_and_resumed_ends_with_the_same_weights(
    tmp_path: Path, teacher: Path, student: Path
) -> None:
    config = student_config(tmp_path / "run", teacher)
    interrupted(lambda: train_student(config), BATCHES + 2)
    train_student(config)
    assert_same_run(config.out, student)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use")
def test_a_student_interrupted_and_resumed_on_a_gpu_ends_with_the_same_weights(tmp_path: Path, teacher: Path) -> None:
    def distil(out: str) -> None:
        train_student(replace(student_config(tmp_path / out, teacher), hardware=Hardware("cuda", threads=1)))

    distil("whole")
    interrupted(lambda: distil("run"), BATCHES + 2)
    distil("run")
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_an_interruption_before_the_first_epoch_starts_anew(tmp_path: Path, teacher: Path) -> None:
    config = teacher_config(tmp_path / "run")
    interrupted(lambda: train_teacher(config), 1)
    assert not (config.out / FILE).exists()
    train_teacher(config)
    assert_same_run(config.out, teacher)


def test_a_finished_run_is_evaluated_again_and_not_trained(tmp_path: Path, teacher: Path) -> None:
    run = shutil.copytree(teacher, tmp_path / "run")
    before = (run / FILE).read_bytes()
    again = train_teacher(teacher_config(run))
    assert (run / FILE).read_bytes() == before
    assert again.top1 == json.loads((teacher / "report.json").read_text(encoding="utf-8"))["top1"]
