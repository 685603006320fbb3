"""Trainings that are refused in one line and leave the folder unchanged."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import train.fit
from edge.contract.errors import ConfigError, DataError
from edge.contract.preprocess import Preprocessing
from tests.train.known_errors import KNOWN
from tests.train.tiny_runs import DATA, SHORT, student_config, teacher_config
from train.checkpoint import FILE, load_checkpoint, save_checkpoint
from train.configuration import Hardware
from train.data.corruption.fitted_errors import Bursts, write_errors
from train.data.pairs import PairConfig, PairDataset
from train.data.registry import read_dataset
from train.evaluate import predict
from train.export.bundle import load_clips
from train.teach import train_student, train_teacher


def test_logits_that_are_not_finite_are_refused_in_one_line(teacher: Path) -> None:
    network = load_checkpoint(teacher).rebuild(teacher)
    network.fc.bias.data[0] = float("nan")  # type: ignore[union-attr, operator, index]
    test = PairDataset(read_dataset(DATA), DATA.pairs, train=False, seed=0)
    with pytest.raises(ConfigError, match="not finite: training diverged; lower --opt"):
        predict(network, test, see="hq")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"width": 8}, "width"),
        ({"seed": 1}, "seed"),
        ({"see": "lq"}, "see"),
        ({"network": "dense_gcn"}, "network"),
        ({"hardware": Hardware(threads=1, precision="64-true")}, "precision"),
        ({"optimiser": replace(SHORT, epochs=4)}, "optimiser.epochs"),
        ({"data": replace(DATA, clips_per_class=6)}, "clips_per_class"),
        ({"data": replace(DATA, scenes=1)}, "scenes"),
        ({"data": replace(DATA, pairs=replace(DATA.pairs, drop=0.3))}, "pairs.drop"),
        ({"data": replace(DATA, pairs=replace(DATA.pairs, layout="penn-13"))}, "layout"),
        (
            {"data": replace(DATA, pairs=PairConfig(preprocessing=Preprocessing(length_frames=12, fps=4.0)))},
            "pairs.preprocessing.length_frames",
        ),
    ],
)
def test_other_settings_in_the_folder_of_a_run_are_refused_by_name(
    teacher: Path, change: dict[str, object], key: str
) -> None:
    before = (teacher / FILE).read_bytes()
    with pytest.raises(ConfigError, match=rf"another {key}; give another --out"):
        train_teacher(replace(teacher_config(teacher), **change))  # type: ignore[arg-type]
    assert (teacher / FILE).read_bytes() == before


@pytest.mark.parametrize(("change", "key"), [({"method": "hinton"}, "method"), ({"seed": 3}, "seed")])
def test_other_distillation_in_the_folder_of_a_student_is_refused(
    student: Path, teacher: Path, change: dict[str, object], key: str
) -> None:
    with pytest.raises(ConfigError, match=f"another {key};"):
        train_student(replace(student_config(student, teacher), **change))  # type: ignore[arg-type]


def test_the_folder_of_a_student_is_refused_as_that_of_its_baseline(student: Path, teacher: Path) -> None:
    of = student_config(student, teacher)
    baseline = replace(teacher_config(student), see="lq", network=of.network, optimiser=of.optimiser)
    with pytest.raises(ConfigError, match="a run with another method;"):
        train_teacher(baseline)


def test_the_folder_of_a_run_that_started_from_other_weights_is_refused(tmp_path: Path, teacher: Path) -> None:
    torch.save(load_checkpoint(teacher).network, tmp_path / "release.pt")
    with pytest.raises(ConfigError, match="a run with another weights;"):
        train_teacher(replace(teacher_config(teacher), weights=tmp_path / "release.pt"))


def test_a_changed_file_of_fitted_errors_is_refused(tmp_path: Path) -> None:
    file, run = tmp_path / "errors.yaml", tmp_path / "run"
    write_errors(file, KNOWN)
    pairs = replace(DATA.pairs, layout="penn-13", fitted_errors=str(file))
    config = replace(teacher_config(run), data=replace(DATA, pairs=pairs), optimiser=replace(SHORT, epochs=1))
    train_teacher(config)
    trained = load_checkpoint(run)
    assert load_clips(trained, None)[1].labels.size
    write_errors(file, replace(KNOWN, lost=Bursts(0.5, 0.5)))
    with pytest.raises(ConfigError, match="a run with another contents_of_fitted_errors; give another --out"):
        train_teacher(config)
    with pytest.raises(ConfigError, match=r"errors\.yaml: this file of fitted errors has changed since the run"):
        load_clips(trained, None)
    # A missing file is a different error.
    file.unlink()
    with pytest.raises(DataError, match="no such file of fitted errors"):
        train_teacher(config)


def test_the_folder_of_a_student_of_another_teacher_is_refused(tmp_path: Path, student: Path, teacher: Path) -> None:
    other = shutil.copytree(teacher, tmp_path / "teacher")
    checkpoint = load_checkpoint(other)
    checkpoint.best["fc.bias"][0] += 1
    save_checkpoint(other, checkpoint)
    with pytest.raises(ConfigError, match="a run with another teacher;"):
        train_student(student_config(student, other))


def test_a_folder_without_a_run_is_refused_as_teacher(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no trained run here"):
        train_student(student_config(tmp_path / "student", tmp_path))


def test_a_teacher_of_other_clips_is_refused(tmp_path: Path, teacher: Path) -> None:
    config = student_config(tmp_path / "student", teacher)
    other = replace(DATA.pairs, preprocessing=replace(DATA.pairs.preprocessing, centre="clip"))
    with pytest.raises(ConfigError, match="preprocessing centre = trend, the student would have clip"):
        train_student(replace(config, data=replace(DATA, pairs=other)))
    with pytest.raises(ConfigError, match="teacher was trained with other layout"):
        train_student(replace(config, data=replace(DATA, pairs=replace(DATA.pairs, layout="penn-13"))))
    checkpoint = load_checkpoint(teacher)
    for key, others in (("classes", ["fall", "sit"]), ("bodies", 2)):
        save_checkpoint(tmp_path, replace(checkpoint, about=checkpoint.about | {key: others}))
        with pytest.raises(ConfigError, match=f"teacher was trained with other {key}; train a teacher on the same"):
            train_student(replace(config, teacher=tmp_path))
    del checkpoint.about["pairs"]["preprocessing"]["centre"]  # as written before this setting existed
    save_checkpoint(tmp_path, checkpoint)
    with pytest.raises(ConfigError, match="preprocessing centre = None, the student would have trend"):
        train_student(replace(config, teacher=tmp_path))


def test_a_baseline_without_a_report_or_of_other_classes_is_refused_before_training(
    tmp_path: Path, teacher: Path
) -> None:
    config = replace(student_config(tmp_path / "run", teacher), baseline=tmp_path)
    with pytest.raises(DataError, match=r"report.json is missing"):
        train_student(config)
    for report in ({"per_class": {"fall": 0.5}}, {}):
        (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
        with pytest.raises(ConfigError, match="baseline was trained with other classes; give a run on the same data"):
            train_student(config)
    assert not (tmp_path / "run").exists()


def test_an_unknown_method_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    config = replace(student_config(tmp_path, tmp_path), method="papers")
    with pytest.raises(ConfigError, match=r"unknown method 'papers'; known methods: alone, hinton, .*paper"):
        train_student(config)


def test_running_out_of_gpu_memory_names_the_flag_to_change(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(train.fit, "compute_gradients", full)
    with pytest.raises(ConfigError, match=r"not enough memory for batches of 16 clips; halve optimiser\.batch"):
        train_teacher(teacher_config(tmp_path / "run"))
