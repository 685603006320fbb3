"""Moving average of weights, early stopping, and the held-out clips for it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from edge.contract.preprocess import Preprocessing
from train import fit, teach
from train.checkpoint import VALIDATION, Checkpoint, load_checkpoint, load_trained, save_checkpoint, should_stop_early
from train.configuration import Hardware, TeacherConfig
from train.data.clip import hold_out
from train.data.configuration import DataConfig
from train.data.pairs import PairConfig
from train.data.registry import read_dataset
from train.optimiser import Optimiser
from train.teach import train_teacher

DATA = DataConfig(clips_per_class=9, pairs=PairConfig(preprocessing=Preprocessing(length_frames=8, fps=4.0)))


def config(out: Path, **settings: float) -> TeacherConfig:
    optimiser = Optimiser(**{"epochs": 4, "batch": 16, "learning_rate": 0.05, **settings})  # type: ignore[arg-type]
    return TeacherConfig(
        out=out, data=DATA, network="dense_gcn", width=4, optimiser=optimiser, hardware=Hardware(threads=1)
    )


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_held_out_clips_are_a_share_of_every_class_and_no_longer_trained_on(
    tmp_path: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = list[fit.Run]()
    monkeypatch.setattr(teach, "fit", lambda run, _: runs.append(run))
    monkeypatch.setattr(teach, "write_results", lambda *_: None)
    train_teacher(replace(config(tmp_path, patience=1, held_out=share), seed=5))
    (run,), data = runs, read_dataset(DATA)
    assert run.validation is not None
    train, kept, held = (
        {clip.id for clip in clips} for clips in (data.part(True), run.train.clips, run.validation.clips)
    )
    assert kept | held == train and not kept & held
    assert [clip.id for clip in run.test.clips] == [clip.id for clip in data.part(False)]
    before, out = (Counter(clip.label for clip in clips) for clips in (data.part(True), run.validation.clips))
    assert all(out[label] == int(count * share) for label, count in before.items())
    parts = (run.train, run.validation, run.test)
    assert [(part.train, part.seed) for part in parts] == [(True, 5), (False, 0), (False, 0)]
    assert (run.about["train_clips"], run.about["test_clips"]) == (len(train), len(run.test))


def test_held_out_clips_are_evenly_spread_over_each_class() -> None:
    clip = read_dataset(DATA).clips[0]
    clips = tuple(replace(clip, id=f"{label}{n}", label=label, train=True) for n in range(1, 10) for label in (0, 1))
    _, held = hold_out(replace(read_dataset(DATA), clips=clips), 0.34)
    # n * 0.34 passes a whole number at n = 3, 6 and 9.
    assert [clip.id for clip in held.clips] == ["03", "13", "06", "16", "09", "19"]


def test_a_run_stops_early_when_the_last_epochs_are_no_better() -> None:
    def history(*scores: float) -> list[dict[str, float]]:
        return [{VALIDATION: score} for score in scores]

    assert not should_stop_early(history(0.5, 0.6, 0.6), patience=2)
    assert should_stop_early(history(0.5, 0.6, 0.6, 0.5), patience=2)
    assert not should_stop_early(history(0.5, 0.6, 0.6, 0.7), patience=2)
    assert not should_stop_early(history(0.9, 0.1, 0.1, 0.1), patience=0), "without patience it runs to the end"
    assert not should_stop_early([], patience=1) and not should_stop_early(history(0.5, 0.4), patience=2)


def test_with_patience_a_run_stops_early_and_is_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    statistics, save = list[torch.Tensor](), fit.save_checkpoint

    def recorded(folder: Path, made: Checkpoint) -> None:
        name = next(name for name in made.network if name.endswith("running_mean"))
        statistics.append(made.network[name].clone())
        save(folder, made)

    monkeypatch.setattr(fit, "save_checkpoint", recorded)
    # The learning rate is too small to learn anything, so no epoch is better than the first.
    train_teacher(config(tmp_path, epochs=30, learning_rate=1e-9, patience=2, held_out=0.34))
    assert len({tuple(mean.tolist()) for mean in statistics}) == len(statistics) > 2, "no epoch changed BatchNorm"
    found = load_checkpoint(tmp_path)
    assert len(found.history) < 30 and should_stop_early(found.history, 2)
    scores = [epoch[VALIDATION] for epoch in found.history]
    assert max(scores[:-2]) >= max(scores[-2:])
    again = train_teacher(config(tmp_path, epochs=30, learning_rate=1e-9, patience=2, held_out=0.34))
    assert load_checkpoint(tmp_path).history == found.history, "resumed, it stops at once"
    assert 0 <= again.top1 <= 1
    capsys.readouterr()
    load_trained(tmp_path)
    assert not capsys.readouterr().err, "it is finished"
    save_checkpoint(tmp_path, replace(found, history=found.history[:-1]))
    load_trained(tmp_path)
    assert "of 30 epochs are trained; repeat its command" in " ".join(capsys.readouterr().err.split())


def test_the_first_process_decides_for_all_and_the_last_of_the_best_epochs_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another process than the first receives these accuracies, which fall after the third epoch.
    accuracies, weights, save = iter([0.8, 0.9, 0.9, 0.7, 0.6]), list[torch.Tensor](), fit.save_checkpoint
    monkeypatch.setattr(Fabric, "broadcast", lambda self, mine, src=0: next(accuracies) if mine is not None else None)

    def recorded(folder: Path, made: Checkpoint) -> None:
        weights.append(made.network["fc.weight"].clone())
        save(folder, made)

    seen, predict = set[str](), fit.predict
    monkeypatch.setattr(fit, "save_checkpoint", recorded)
    monkeypatch.setattr(fit, "predict", lambda *given, see: (seen.add(see), predict(*given, see=see))[1])
    train_teacher(replace(config(tmp_path, epochs=9, patience=2, held_out=0.34), see="lq"))
    assert seen == {"lq"}, "what it was trained on"
    found = load_checkpoint(tmp_path)
    assert [epoch[VALIDATION] for epoch in found.history] == [0.8, 0.9, 0.9, 0.7]
    assert [torch.equal(found.best["fc.weight"], one) for one in weights] == [False, False, True, False]


def test_the_average_of_weights_is_kept_and_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tested, predict = list[torch.Tensor](), fit.predict

    def recorded(network: torch.nn.Module, *rest: Any, **how: Any) -> Any:
        tested.append(network.get_parameter("fc.weight").detach().clone())
        return predict(network, *rest, **how)

    monkeypatch.setattr(fit, "predict", recorded)
    train_teacher(config(tmp_path / "average", average=0.5))
    assert torch.equal(tested[-1], load_checkpoint(tmp_path / "average").best["fc.weight"]), "the average is evaluated"
    train_teacher(config(tmp_path / "last"))
    averaged, last = load_checkpoint(tmp_path / "average"), load_checkpoint(tmp_path / "last")
    name = "fc.weight"
    assert torch.equal(averaged.network[name], last.network[name]), "the average does not change the training"
    assert torch.equal(averaged.best[name], averaged.average[f"module.{name}"])
    assert not torch.equal(averaged.best[name], averaged.network[name])
    assert torch.equal(last.best[name], last.network[name]) and last.average == {}
    means = [name for name in averaged.best if name.endswith("running_mean")]
    assert means and not any(torch.equal(averaged.best[name], averaged.network[name]) for name in means)
    assert torch.equal(averaged.rebuild(tmp_path / "average").get_parameter(name), averaged.best[name])


def test_the_average_is_an_exponential_moving_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One step per epoch, with a checkpoint after each: a_1 = w_1, then a_n = d a_(n-1) + (1 - d) w_n.
    weights: list[torch.Tensor] = []
    averages: list[torch.Tensor] = []

    def save(_: Path, checkpoint: Checkpoint) -> None:
        weights.append(checkpoint.network["fc.weight"].clone())
        averages.append(checkpoint.best["fc.weight"].clone())

    monkeypatch.setattr(fit, "save_checkpoint", save)
    monkeypatch.setattr(teach, "write_results", lambda run, result, *rest: result)
    train_teacher(config(tmp_path, epochs=3, batch=512, average=0.75))
    expected = weights[0]
    for average, weight in zip(averages[1:], weights[1:], strict=True):
        expected = 0.75 * expected + 0.25 * weight
        assert torch.allclose(average, expected, atol=1e-6)
    assert len(weights) == 3 and not torch.allclose(averages[2], weights[2], atol=1e-6)
