"""Whole trainings of tiny networks: randomness per epoch, schedule, which skeletons are read and evaluated."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

import train.fit
from tests.train.tiny_runs import BATCHES, DATA, SHORT, student_config, teacher_config
from train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from train.data.generated.kinematic import CLASSES
from train.data.pairs import PairDataset
from train.data.registry import read_dataset
from train.evaluate import predict
from train.fit import Run
from train.optimiser import Optimiser
from train.teach import train_student, train_teacher


def test_order_corruption_and_dropout_change_per_epoch_the_rate_per_step_and_labels_are_smoothed(
    tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, seeds, rates, losses = list[torch.Tensor](), list[int](), list[float](), list[dict[str, float]]()
    compute = train.fit.compute_gradients

    def recorded(loss_function: Any, batches: Any, *rest: Any) -> dict[str, float]:
        (batch,) = batches
        assert rest[2] == "revision", "as the paper's method says"
        clips.append(batch.low)
        # label_smoothing 0.2 spreads a fifth of each label over all classes.
        likeliest, shares = batch.targets.max(dim=1).values, batch.targets.sum(dim=1)
        assert torch.allclose(likeliest, torch.tensor(0.8 + 0.2 / len(CLASSES))) and torch.allclose(
            shares, likeliest * 0 + 1
        )
        seeds.append(torch.initial_seed())
        losses.append(compute(loss_function, [batch], *rest))
        return losses[-1]

    class RecordingSgd(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    compared = list[str]()
    monkeypatch.setattr("train.teach.predict", lambda *on, see: (compared.append(see), predict(*on, see=see))[1])
    monkeypatch.setattr(train.fit, "compute_gradients", recorded)
    monkeypatch.setattr(Optimiser, "build", lambda self, parameters: RecordingSgd(parameters, lr=1.0))
    settings = replace(SHORT, schedule="cosine", label_smoothing=0.2)
    train_student(replace(student_config(tmp_path / "run", teacher), optimiser=settings))
    steps = 3 * BATCHES
    assert compared == ["lq"], "with the teacher on what the student sees"
    assert len(clips) == len(set(seeds)) * BATCHES == steps
    means = [np.mean([loss["task"] for loss in losses[n : n + BATCHES]]) for n in range(0, steps, BATCHES)]
    assert [epoch["task"] for epoch in load_checkpoint(tmp_path / "run").history] == pytest.approx(means)
    first, second = (torch.cat(clips[epoch * BATCHES : (epoch + 1) * BATCHES]) for epoch in (0, 1))
    # Compared by which joints are seen, sorted: with the same corruption, both epochs would be equal.
    seen = [sorted(clip[2].flatten().tolist() for clip in epoch) for epoch in (first, second)]
    assert seen[0] != seen[1]
    progress = [n / steps for n in range(steps)]
    assert rates == pytest.approx([0.05 * min(p / 0.05, 1) * (1 + math.cos(math.pi * p)) / 2 for p in progress])


def trained_weight(
    out: Path, see: Literal["hq", "lq"] = "hq", seed: int = 0, drop: float = 0.1, balanced: bool = False
) -> torch.Tensor:
    data, settings = replace(DATA, pairs=replace(DATA.pairs, drop=drop)), replace(SHORT, epochs=1, balanced=balanced)
    train_teacher(replace(teacher_config(out), data=data, see=see, optimiser=settings, seed=seed))
    weight: torch.Tensor = load_checkpoint(out).network["fc.weight"]
    return weight


def test_seed_order_and_lq_clips_change_the_weights_and_dropped_joints_no_hq_clip(
    tmp_path: Path,
) -> None:
    one = trained_weight(tmp_path / "one")
    assert not torch.equal(one, trained_weight(tmp_path / "seed", seed=1))
    assert not torch.equal(one, trained_weight(tmp_path / "balanced", balanced=True))
    # Dropping uses the same random numbers whatever the probability, so only a network on LQ clips is affected.
    assert torch.equal(one, trained_weight(tmp_path / "hq", drop=0.9))
    some, many = (trained_weight(tmp_path / f"lq{drop}", "lq", drop=drop) for drop in (0.1, 0.9))
    assert not torch.equal(some, many)


@pytest.mark.parametrize("see", ["hq", "lq"])
def test_a_network_is_evaluated_on_the_quality_it_was_trained_on(
    teacher: Path, see: Literal["hq", "lq"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.evaluate.BATCH", 5)
    test = PairDataset(read_dataset(DATA), DATA.pairs, train=False, seed=0)
    network = load_checkpoint(teacher).rebuild(teacher)
    clips = np.stack([test.draw(i)[see == "hq"] for i in range(len(test))])
    assert not network.training, "a teacher's BatchNorm uses what it has learned"
    with torch.inference_mode():
        expected = network(torch.from_numpy(clips))[0].numpy()
    assert len(expected) == len(CLASSES) > 5, "several batches, the last one smaller"
    np.testing.assert_allclose(predict(network.train(), test, see=see), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("method", "redraws"), [("paper", False), ("ours", True)])
def test_only_a_method_that_redraws_does_so_if_the_data_do_not(
    tmp_path: Path, teacher: Path, method: str, redraws: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[Run] = []

    def stop(run: Run, _: Fabric) -> None:
        runs.append(run)
        raise KeyboardInterrupt

    monkeypatch.setattr("train.teach.fit", stop)
    once = replace(DATA, pairs=replace(DATA.pairs, redraw=False))
    with pytest.raises(KeyboardInterrupt):
        train_student(replace(student_config(tmp_path, teacher), data=once, method=method, seed=5))
    assert (runs[0].train.seed, runs[0].test.seed) == (5, 0), "of the corruption, which is the same in all tests"
    assert runs[0].train.config == replace(once.pairs, redraw=redraws) and runs[0].about["pairs"]["redraw"] is False


def test_a_student_is_compared_class_by_class_with_the_baseline_and_its_adapter_is_trained_too(
    tmp_path: Path, teacher: Path, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(student_config(tmp_path / "run", teacher), baseline=teacher, optimiser=replace(SHORT, epochs=1))
    train_student(config)
    said = " ".join(capsys.readouterr().err.split())
    assert "run 1/1, 0:00:00 left task " in said, "without a terminal, each epoch is a line"
    assert f"on LQ, taught by {teacher.name}" in said and f"gain over {teacher.name}" in said
    assert (tmp_path / "run" / "gain.png").is_file()
    one, three = (load_checkpoint(run).extra["weight"] for run in (config.out, student))
    assert not torch.equal(one, three)


def test_curves_of_every_epoch_are_on_the_disk_before_its_checkpoint_and_stay_in_a_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    curves: list[dict[int, float]] = []
    clips: list[float] = []

    def save(folder: Path, checkpoint: Checkpoint) -> None:
        events = accumulator.EventAccumulator(str(folder / "tensorboard"))
        events.Reload()
        curves.append({event.step: event.value for event in events.Scalars("task")})
        clips.append(events.Scalars("clips per second")[-1].value * checkpoint.history[-1]["seconds"])
        if len(curves) == 2:
            raise KeyboardInterrupt
        save_checkpoint(folder, checkpoint)

    monkeypatch.setattr(train.fit, "save_checkpoint", save)
    with pytest.raises(KeyboardInterrupt):
        train_teacher(teacher_config(tmp_path))
    train_teacher(teacher_config(tmp_path))
    losses = [epoch["task"] for epoch in load_checkpoint(tmp_path).history]
    assert curves == [pytest.approx(dict(enumerate(losses[:n], 1))) for n in (1, 2, 2, 3)]
    assert clips == pytest.approx([2 * len(CLASSES)] * 4)
