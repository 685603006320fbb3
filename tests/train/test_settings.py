"""Settings out of range are refused in one line before anything starts."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.cli.command_line import run_command_line
from edge.contract.errors import ConfigError
from train.__main__ import COMMANDS
from train.configuration import AblationConfig, Hardware, StudentConfig, TeacherConfig
from train.data.configuration import DataConfig
from train.data.corruption.estimator_errors import EstimatorErrors
from train.data.pairs import PairConfig
from train.error_fit.configuration import FitErrorsConfig
from train.optimiser import Optimiser
from train.video_pairs.command import PairsConfig
from train.video_pairs.follow import FollowConfig

TEACHER = "teacher --network dense_gcn --width 4 --data.clips_per_class 3 --data.pairs.preprocessing.length_frames 8"


def refused(command: str, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        run_command_line("train", "", COMMANDS, [*command.split(), "--out", str(out)])
    message = capsys.readouterr().err
    assert stop.value.code == 2 and message.count("\n") == 1
    return message


@pytest.mark.parametrize(
    ("kind", "number", "message"),
    [
        (Optimiser, {"learning_rate": 0.0}, "learning_rate is 0.0; give a number in (0, inf)"),
        (Optimiser, {"weight_decay": -0.1}, "weight_decay is -0.1; give a number in [0, inf)"),
        (Optimiser, {"epochs": 0}, "epochs is 0; give a number in [1, inf)"),
        (Optimiser, {"batch": 1}, "batch is 1; give a number in [2, inf)"),
        (Optimiser, {"accumulate": 0}, "accumulate is 0"),
        (Optimiser, {"average": 1.0}, "average is 1.0; give a number in [0, 1)"),
        (Optimiser, {"average": -0.1}, "average is -0.1"),
        (Optimiser, {"patience": -1}, "patience is -1"),
        (Optimiser, {"held_out": 0.0}, "held_out is 0.0; give a number in (0, 1)"),
        (Optimiser, {"held_out": 1.0}, "held_out is 1.0"),
        (Optimiser, {"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        (Optimiser, {"label_smoothing": -0.1}, "label_smoothing is -0.1"),
        (Optimiser, {"learning_rate": float("nan")}, "learning_rate is nan"),
        (PairConfig, {"drop": 1.5}, "drop is 1.5; give a number in [0, 1]"),
        (PairConfig, {"drop": -0.1}, "drop is -0.1"),
        (PairConfig, {"tempo": 1.0}, "tempo is 1.0; give a number in [0, 1)"),
        (PairConfig, {"tempo": -0.1}, "tempo is -0.1"),
        (PairConfig, {"rotate_deg": -0.5}, "rotate_deg is -0.5; give a number in [0, 360]"),
        (PairConfig, {"max_yaw_deg": -0.5}, "max_yaw_deg is -0.5"),
        (PairConfig, {"max_pitch_deg": float("inf")}, "max_pitch_deg is inf"),
        (PairConfig, {"max_pitch_deg": -0.5}, "max_pitch_deg is -0.5"),
        (Hardware, {"devices": 0}, "devices is 0; give a number in [1, 10000]"),
        (Hardware, {"workers": -1}, "workers is -1"),
        (Hardware, {"nodes": 10**10}, "nodes is 10000000000; give a number in [1, 10000]"),
        (PairConfig, {"estimator_errors": EstimatorErrors(jitter=-0.1)}, "jitter is -0.1"),
        (PairConfig, {"estimator_errors": EstimatorErrors(drift=-0.1)}, "drift is -0.1"),
        (PairConfig, {"estimator_errors": EstimatorErrors(limb_miss=-0.1)}, "limb_miss is -0.1"),
        (PairConfig, {"estimator_errors": EstimatorErrors(swap_run_frames=0.5)}, "swap_run_frames is 0.5"),
        (PairConfig, {"estimator_errors": EstimatorErrors(miss_run_frames=0.5)}, "miss_run_frames is 0.5"),
        (PairConfig, {"estimator_errors": EstimatorErrors(miss=1)}, "miss is 1; give a number in [0, 1)"),
        (PairConfig, {"estimator_errors": EstimatorErrors(swap=1)}, "swap is 1"),
        (PairConfig, {"estimator_errors": EstimatorErrors(cut_off=1.1)}, "cut_off is 1.1"),
        (PairConfig, {"estimator_errors": EstimatorErrors(hidden=1.1)}, "hidden is 1.1"),
        (PairConfig, {"estimator_errors": EstimatorErrors(noise_spread=1.1)}, "noise_spread is 1.1"),
        (PairConfig, {"estimator_errors": EstimatorErrors(outlier=1.1)}, "outlier is 1.1; give a number in [0, 1]"),
        (DataConfig, {"scenes": -1}, "scenes is -1"),
        (partial(TeacherConfig, out=Path("run")), {"seed": -1}, "seed is -1"),
        (partial(TeacherConfig, out=Path("run")), {"width": 0}, "width is 0; give a number in [1, 65536]"),
        (partial(StudentConfig, out=Path("run"), teacher=Path("teacher")), {"width": 0}, "width is 0"),
        (partial(AblationConfig, Path("run")), {"seeds": (0, 1 << 63)}, "seeds is 9223372036854775808; give"),
        (partial(AblationConfig, Path("run")), {"teacher_width": 1 << 17}, "teacher_width is 131072"),
        (partial(AblationConfig, Path("run")), {"jobs": -1}, "jobs is -1"),
        (partial(PairsConfig, Path("videos"), Path("out")), {"fps": 0.0}, "fps is 0.0; give a number in (0, inf]"),
        (partial(PairsConfig, Path("videos"), Path("out")), {"test_share": 1.0}, "test_share is 1.0; give"),
        (FollowConfig, {"max_distance": 0.0}, "max_distance is 0.0; give a number in (0, inf]"),
        (partial(FitErrorsConfig, Path("pairs"), out=Path("e.yaml")), {"fps": 0.0}, "fps is 0.0; give a number in"),
        (partial(FitErrorsConfig, Path("pairs"), out=Path("e.yaml")), {"out": Path("e.txt")}, "e.txt is not a YAML"),
    ],
)
def test_numbers_out_of_range_are_refused(kind: Callable[..., Any], number: dict[str, Any], message: str) -> None:
    kind()
    with pytest.raises(ConfigError, match=re.escape(message)):
        kind(**number)


def test_the_limits_of_these_ranges_are_allowed() -> None:
    Optimiser(epochs=1, batch=2, accumulate=1, weight_decay=0, label_smoothing=0, average=0, patience=0)
    errors = EstimatorErrors(
        jitter=0, miss_run_frames=1, swap_run_frames=1, outlier=1, cut_off=1, hidden=1, noise_spread=1
    )
    PairConfig(drop=1, tempo=0, max_yaw_deg=0, max_pitch_deg=0, rotate_deg=0, estimator_errors=errors)
    DataConfig(clips_per_class=0, scenes=0, workers=0)


def test_numbers_out_of_range_are_refused_on_the_command_line_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(f"{TEACHER} --data.pairs.estimator_errors.jitter -1", tmp_path / "run", capsys)
    assert message == "error: data.pairs: jitter is -1.0; give a number in [0, inf)\n"
    assert not (tmp_path / "run").exists()


def test_too_few_clips_to_train_or_to_hold_out_are_refused_with_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # 24 training clips: two fewer than 13 batches of 2 clips need.
    message = refused(f"{TEACHER} --optimiser.accumulate 13", tmp_path / "run", capsys)
    assert (
        "24 training and 12 test clips are too few" in message
        and "2 clips in each of 13 batches on each of 1" in message
    )
    message = refused(f"{TEACHER} --optimiser.patience 1", tmp_path / "run", capsys)
    assert "no class has enough training clips to hold out a share of 0.1; give a larger --optimiser" in message
    assert not (tmp_path / "run").exists()
