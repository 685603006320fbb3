"""Settings that nothing can be trained with: one line each, exit code 2, no folder."""

from pathlib import Path

import pytest

from edge.cli.command_line import run_command_line
from train.__main__ import COMMANDS

TEACHER = "teacher --network dense_gcn --width 4 --data.clips_per_class 3 --data.pairs.preprocessing.length_frames 8"


def refused(command: str, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        run_command_line("train", "", COMMANDS, [*command.split(), "--out", str(out)])
    told = capsys.readouterr().err
    assert stop.value.code == 2 and told.count("\n") == 1
    return told


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--optimiser.learning_rate 0", "learning_rate 0.0, weight_decay 0.0001 and label_smoothing 0.0 teach nothing"),
        ("--optimiser.learning_rate -1", "teach nothing; give a rate above 0"),
        ("--optimiser.weight_decay -1", "teach nothing; give a rate above 0, a penalty from 0"),
        ("--optimiser.label_smoothing 1", "label_smoothing 1.0 teach nothing"),
        ("--optimiser.label_smoothing -0.1", "label_smoothing -0.1 teach nothing"),
        ("--data.pairs.drop 1.5", "drop 1.5 and tempo 0.0 are no probability"),
        ("--data.pairs.tempo 1", "tempo 1.0 are no probability and no share of a speed; give a drop"),
        ("--data.pairs.rotate_deg -5", "a largest angle is below 0"),
        ("--data.pairs.max_yaw_deg -5", "a largest angle is below 0"),
        ("--data.pairs.estimator_errors.jitter -1", "an error of an estimator is below 0"),
        ("--data.pairs.estimator_errors.miss_run_frames 0.5", "or lasts less than a frame"),
        ("--data.pairs.estimator_errors.miss 1", "an error of an estimator is no probability"),
        ("--data.pairs.estimator_errors.outlier 1.1", "an error of an estimator is no probability"),
        ("--data.scenes -1", "clips_per_class, scenes and workers are no negative numbers"),
        ("--seed -1", "a seed is below 0, or a width below 1"),
        ("--width 0", "a seed is below 0, or a width below 1"),
    ],
)
def test_numbers_that_mean_nothing_are_refused_before_anything_is_read(
    flags: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused(f"{TEACHER} {flags}", tmp_path / "run", capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("student --teacher nowhere --width 0", "a width below 1"),
        ("ablation --seeds [0,-1]", "a seed is below 0"),
        ("ablation --width 0", "a width below 1"),
        ("ablation --jobs -1", "jobs is -1"),
    ],
)
def test_so_they_are_by_other_commands(
    command: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused(command, tmp_path / "run", capsys)


def test_too_few_clips_for_a_step_or_to_hold_one_out_are_told_with_what_would_help(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # 24 clips train: for 13 batches of 2 clips there are two too few.
    told = refused(f"{TEACHER} --optimiser.accumulate 13", tmp_path / "run", capsys)
    assert "24 training and 12 test clips are too few" in told and "2 clips of each of 13 batches on each of 1" in told
    told = refused(f"{TEACHER} --optimiser.patience 1", tmp_path / "run", capsys)
    assert "no class has so many training clips that 0.1 of them is one to hold out; give a larger --optimiser" in told
    assert not (tmp_path / "run").exists()
