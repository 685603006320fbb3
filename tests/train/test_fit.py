"""Whole trainings of tiny networks on generated clips: interrupted, resumed, refused, reported."""

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

import train.fit
from edge.contract.errors import ConfigError, DataError
from edge.contract.preprocess import Preprocessing
from train.checkpoint import FILE, Checkpoint, load_checkpoint, save_checkpoint
from train.configuration import Hardware, StudentConfig, TeacherConfig
from train.data.generated.kinematic import CLASSES
from train.data.pairs import PairConfig, Pairs
from train.data.registry import DataConfig, read_dataset
from train.evaluate import predict
from train.optimiser import Optimiser
from train.teach import train_student, train_teacher

DATA = DataConfig(clips_per_class=3, pairs=PairConfig(preprocessing=Preprocessing(length_frames=8, fps=4.0)))
SHORT = Optimiser(epochs=3, batch=16, learning_rate=0.05)
# Two clips of each class train, the third person's tests.
BATCHES = math.ceil(2 * len(CLASSES) / SHORT.batch)  # of 16 and of 8 clips


def teacher_config(out: Path) -> TeacherConfig:
    return TeacherConfig(out=out, data=DATA, width=4, optimiser=SHORT, hardware=Hardware(threads=1))


def student_config(out: Path, teacher: Path) -> StudentConfig:
    # dense_gcn has dropout: its draws must go on where they stopped, too, and so must the average of its weights.
    averaged = replace(SHORT, average=0.5)
    return StudentConfig(out=out, teacher=teacher, data=DATA, width=4, optimiser=averaged, hardware=Hardware(threads=1))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher that was trained in one go."""
    out = tmp_path_factory.mktemp("runs") / "teacher"
    train_teacher(teacher_config(out))
    return out


@pytest.fixture(scope="module")
def student(teacher: Path) -> Path:
    """A student that was distilled in one go."""
    out = teacher.parent / "student"
    train_student(student_config(out, teacher))
    return out


def interrupted(training: Callable[[], object], batches: int) -> None:
    """Run the training and press Ctrl-C when it takes its next batch after that many."""
    taken, take = Counter[str](), train.fit.take_step

    def stop(*args: Any) -> dict[str, float]:
        taken["batches"] += 1
        if taken["batches"] > batches:
            raise KeyboardInterrupt
        return take(*args)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train.fit, "take_step", stop)
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
    tmp_path: Path, teacher: Path, epochs: int
) -> None:
    config = teacher_config(tmp_path / "run")
    interrupted(lambda: train_teacher(config), epochs * BATCHES + 1)
    assert len(load_checkpoint(config.out).history) == epochs
    assert not (config.out / "report.json").exists(), "a report is of a finished run"
    train_teacher(config)
    assert_same_run(config.out, teacher)


def test_a_student_interrupted_and_resumed_ends_with_the_same_weights(
    tmp_path: Path, teacher: Path, student: Path
) -> None:
    config = student_config(tmp_path / "run", teacher)
    interrupted(lambda: train_student(config), BATCHES + 2)
    train_student(config)
    assert_same_run(config.out, student)


def test_an_interruption_before_the_first_epoch_starts_anew(tmp_path: Path, teacher: Path) -> None:
    config = teacher_config(tmp_path / "run")
    interrupted(lambda: train_teacher(config), 1)
    assert not (config.out / FILE).exists()
    train_teacher(config)
    assert_same_run(config.out, teacher)


def test_every_epoch_has_its_order_its_errors_and_its_dropout_every_step_its_rate_and_every_label_its_smoothing(
    tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, seeds, rates = list[torch.Tensor](), list[int](), list[float]()
    take = train.fit.take_step

    def noted(lesson: Any, batches: Any, *rest: Any) -> dict[str, float]:
        (batch,) = batches
        clips.append(batch.low)
        # A fifth of each label is spread over all of the classes.
        likeliest, shares = batch.targets.max(dim=1).values, batch.targets.sum(dim=1)
        assert torch.allclose(likeliest, torch.tensor(0.8 + 0.2 / len(CLASSES))) and torch.allclose(
            shares, likeliest * 0 + 1
        )
        seeds.append(torch.initial_seed())
        return take(lesson, [batch], *rest)

    class Noted(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(train.fit, "take_step", noted)
    monkeypatch.setattr(Optimiser, "descent", lambda self, parameters: Noted(parameters, lr=1.0))
    settings = replace(SHORT, schedule="cosine", label_smoothing=0.2)
    train_student(replace(student_config(tmp_path / "run", teacher), optimiser=settings))
    steps = 3 * BATCHES
    assert len(clips) == len(set(seeds)) * BATCHES == steps
    first, second = (torch.cat(clips[epoch * BATCHES : (epoch + 1) * BATCHES]) for epoch in (0, 1))
    # Sorted by what they say of when joints were seen, clips of the same errors would be the same.
    seen = [sorted(clip[2].flatten().tolist() for clip in epoch) for epoch in (first, second)]
    assert seen[0] != seen[1]
    progress = [n / steps for n in range(steps)]
    assert rates == pytest.approx([0.05 * min(p / 0.05, 1) * (1 + math.cos(math.pi * p)) / 2 for p in progress])


def test_another_seed_gives_other_weights(tmp_path: Path, teacher: Path) -> None:
    config = replace(teacher_config(tmp_path / "run"), seed=1, optimiser=replace(SHORT, epochs=1))
    train_teacher(config)
    one, other = load_checkpoint(config.out).network, load_checkpoint(teacher).network
    assert not torch.equal(one["l1.gcn1.Linear_weight"], other["l1.gcn1.Linear_weight"])


def trained_weight(out: Path, see: Literal["hq", "lq"], drop: float) -> torch.Tensor:
    data, settings = replace(DATA, pairs=replace(DATA.pairs, drop=drop)), replace(SHORT, epochs=1)
    train_teacher(replace(teacher_config(out), data=data, see=see, optimiser=settings))
    weight: torch.Tensor = load_checkpoint(out).network["fc.weight"]
    return weight


def test_a_network_that_reads_good_skeletons_never_meets_a_dropped_joint(tmp_path: Path) -> None:
    # A drop takes the same random numbers whatever its probability: only who reads LQ clips can tell.
    some, many = (trained_weight(tmp_path / f"hq{drop}", "hq", drop) for drop in (0.1, 0.9))
    assert torch.equal(some, many)
    some, many = (trained_weight(tmp_path / f"lq{drop}", "lq", drop) for drop in (0.1, 0.9))
    assert not torch.equal(some, many)


@pytest.mark.parametrize("see", ["hq", "lq"])
def test_a_network_is_measured_on_the_skeletons_it_reads(
    teacher: Path, see: Literal["hq", "lq"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.evaluate.BATCH", 5)
    test, network = Pairs(read_dataset(DATA), DATA.pairs, train=False, seed=0), load_checkpoint(teacher).rebuild()
    clips = np.stack([test.draw(i)[see == "hq"] for i in range(len(test))])
    with torch.inference_mode():
        expected = network(torch.from_numpy(clips))[0].numpy()
    assert len(expected) == len(CLASSES) > 5, "several batches, the last of them smaller"
    np.testing.assert_allclose(predict(network, test, see=see), expected, rtol=1e-4, atol=1e-4)


def test_the_answers_of_a_network_that_diverged_are_refused_in_one_line(teacher: Path) -> None:
    network = load_checkpoint(teacher).rebuild()
    network.fc.bias.data[0] = float("nan")  # type: ignore[union-attr, operator, index]
    test = Pairs(read_dataset(DATA), DATA.pairs, train=False, seed=0)
    with pytest.raises(ConfigError, match="not finite: training diverged; lower --opt"):
        predict(network, test, see="hq")


def test_a_finished_run_is_measured_again_and_not_trained(tmp_path: Path, teacher: Path) -> None:
    run = shutil.copytree(teacher, tmp_path / "run")
    before = (run / FILE).read_bytes()
    again = train_teacher(teacher_config(run))
    assert (run / FILE).read_bytes() == before
    assert again.top1 == json.loads((teacher / "report.json").read_text(encoding="utf-8"))["top1"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"width": 8}, "width"),
        ({"seed": 1}, "seed"),
        ({"see": "lq"}, "see"),
        ({"network": "dense_gcn"}, "network"),
        ({"optimiser": replace(SHORT, epochs=4)}, "optimiser.epochs"),
        ({"data": replace(DATA, clips_per_class=6)}, "clips_per_class"),
        ({"data": replace(DATA, pairs=replace(DATA.pairs, drop=0.3))}, "pairs.drop"),
        ({"data": replace(DATA, pairs=replace(DATA.pairs, layout="penn-13"))}, "layout"),
        (
            {"data": replace(DATA, pairs=PairConfig(preprocessing=Preprocessing(length_frames=12, fps=4.0)))},
            "pairs.preprocessing.length_frames",
        ),
    ],
)
def test_other_settings_in_the_folder_of_a_run_are_refused_by_their_name(
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


def test_the_folder_of_a_student_of_another_teacher_is_refused(tmp_path: Path, student: Path, teacher: Path) -> None:
    other = shutil.copytree(teacher, tmp_path / "teacher")
    checkpoint = load_checkpoint(other)
    checkpoint.best["fc.bias"][0] += 1
    save_checkpoint(other, checkpoint)
    with pytest.raises(ConfigError, match="a run with another teacher;"):
        train_student(student_config(student, other))


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_one_line(tmp_path: Path, teacher: Path, damage: bytes | None) -> None:
    run = shutil.copytree(teacher, tmp_path / "run")
    (run / FILE).write_bytes((teacher / FILE).read_bytes()[:1000] if damage is None else damage)
    with pytest.raises(DataError, match=r"checkpoint.pt: not a readable checkpoint.*remove it") as told:
        train_teacher(teacher_config(run))
    assert "\n" not in str(told.value)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch guesses aloud at what a damaged file may be
def test_a_byte_gone_wrong_is_a_data_error_wherever_it_is(tmp_path: Path, teacher: Path) -> None:
    whole, rng = (teacher / FILE).read_bytes(), np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, 6000, 150):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        (tmp_path / FILE).write_bytes(bytes(damaged))
        try:
            load_checkpoint(tmp_path)
        except DataError:
            refused += 1
    assert refused > 30, "the start of the file holds names, whose damage shows"


@pytest.mark.parametrize(
    ("there", "here", "told"),
    [
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, "a.b.c"),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, "a"),
        ({}, {"a": 1}, "a"),
        ({"a": {"b": 1}}, {"a": None}, "a"),
    ],
)
def test_what_differs_is_told_by_its_dotted_name(
    tmp_path: Path, there: dict[str, object], here: dict[str, object], told: str
) -> None:
    found = Checkpoint(there, {}, {}, {}, {}, {}, [])
    with pytest.raises(ConfigError, match=rf"another {told};"):
        found.refuse_other(here, tmp_path)
    found.refuse_other(there, tmp_path)


def test_a_folder_without_a_run_is_no_teacher(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no trained run here"):
        train_student(student_config(tmp_path / "student", tmp_path))


def test_a_teacher_of_other_clips_is_refused(tmp_path: Path, teacher: Path) -> None:
    config = student_config(tmp_path / "student", teacher)
    other = replace(DATA.pairs, preprocessing=replace(DATA.pairs.preprocessing, centre="clip"))
    with pytest.raises(ConfigError, match="preprocessing centre = trend, the student would have clip"):
        train_student(replace(config, data=replace(DATA, pairs=other)))
    with pytest.raises(ConfigError, match="teacher was trained with other layout"):
        train_student(replace(config, data=replace(DATA, pairs=replace(DATA.pairs, layout="penn-13"))))


def test_a_baseline_without_a_report_or_of_other_classes_is_refused_before_training(
    tmp_path: Path, teacher: Path
) -> None:
    config = replace(student_config(tmp_path / "run", teacher), baseline=tmp_path)
    with pytest.raises(DataError, match=r"report.json is missing"):
        train_student(config)
    (tmp_path / "report.json").write_text(json.dumps({"per_class": {"fall": 0.5}}), encoding="utf-8")
    with pytest.raises(ConfigError, match="baseline was trained with other classes; give a run on the same data"):
        train_student(config)
    assert not (tmp_path / "run").exists()


def test_a_student_is_compared_class_by_class_with_the_baseline(tmp_path: Path, teacher: Path) -> None:
    config = replace(student_config(tmp_path / "run", teacher), baseline=teacher, optimiser=replace(SHORT, epochs=1))
    train_student(config)
    assert (tmp_path / "run" / "gain.png").is_file()


def test_an_unknown_method_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    config = replace(student_config(tmp_path, tmp_path), method="papers")
    with pytest.raises(ConfigError, match=r"unknown method 'papers'; known methods: alone, hinton, .*paper"):
        train_student(config)


def test_a_gpu_without_enough_memory_is_told_with_the_flag_that_helps(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(train.fit, "take_step", full)
    with pytest.raises(ConfigError, match=r"not enough memory for batches of 16 clips; halve optimiser\.batch"):
        train_teacher(teacher_config(tmp_path / "run"))


def test_a_checkpoint_whose_weights_have_changed_on_disk_is_refused(teacher: Path, tmp_path: Path) -> None:
    spoilt = bytearray((teacher / FILE).read_bytes())
    weights = max(load_checkpoint(teacher).network.values(), key=lambda value: value.numel())
    spoilt[spoilt.index(weights.numpy().tobytes())] ^= 1
    (tmp_path / FILE).write_bytes(spoilt)
    with pytest.raises(DataError, match=r"not a readable checkpoint: .+ inside it has changed; remove it"):
        load_checkpoint(tmp_path)
