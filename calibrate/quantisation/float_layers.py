"""The fewest layers left in floating point with which an INT8 network keeps what it is for.

A student keeps its decisions, a pose network the people it finds; both within a budget, on calibration data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx
from rich.table import Table

from calibrate.calibration_set import LabelledClips
from calibrate.evaluation.compare import agreement, top1
from calibrate.evaluation.evaluator import Evaluator, Loss
from calibrate.quantisation.onnx_graph import Array, Sample
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.sensitivity import LayerLoss, layer_losses, outputs, smallest_passing
from edge.cli.console import console
from edge.contract.errors import ConfigError
from edge.contract.files import temporary_folder
from edge.contract.manifest import AccuracyBudget
from edge.engines.registry import open_engine


@dataclass(frozen=True)
class Trial:
    """An INT8 network with ``float_layers`` layers in floating point, and what it loses against FP32."""

    float_layers: int
    loss: Loss

    def within(self, budget: AccuracyBudget) -> bool:
        return not budget.violations(self.loss.agreement, self.loss.top1_drop)


@dataclass(frozen=True)
class Choice:
    """float_layers: those to keep. model: the INT8 network with them, as it was tried. losses: of every layer, empty
    where no ranking was needed. trials: in order."""

    float_layers: list[str]
    model: onnx.ModelProto
    losses: list[LayerLoss]
    trials: list[Trial]


def fewest_float_layers(
    quantiser: Quantiser,
    corrected_on: Sequence[Sample],
    loss: Callable[[onnx.ModelProto], Loss],
    rank: Callable[[], list[LayerLoss]],
    budget: AccuracyBudget,
    always: Sequence[str] = (),
) -> Choice:
    """Layers to leave in floating point so that ``loss`` is within the budget; only ``always`` where INT8 is enough.

    corrected_on: what the trials' weights and biases are fitted to. rank: every layer by what it loses alone, the worst
    first; layers are taken in that order. Should the budget be missed with every layer in floating point, none is
    added: then it is not the eight bits of convolutions that cost too much.
    """
    trials: list[Trial] = []
    ranked: list[LayerLoss] = []
    tried: dict[int, onnx.ModelProto] = {}

    def passes(count: int) -> bool:
        if count and not ranked:
            ranked.extend(rank())
        layers = with_first(count)
        tried[count] = quantiser.quantised(layers, corrected_on)
        trials.append(Trial(len(layers), loss(tried[count])))
        return trials[-1].within(budget)

    def with_first(count: int) -> list[str]:
        return [*always, *[loss.layer for loss in ranked if loss.layer not in always][:count]]

    count = smallest_passing(len(quantiser.layers) - len(always), passes) or 0
    return Choice(with_first(count), tried[count], ranked, trials)


def most_sensitive(quantiser: Quantiser, count: int, samples: Sequence[Array], *, decides: bool) -> list[str]:
    """The ``count`` layers that lose most alone, by these samples; decides: in decisions. ConfigError for no such
    number."""
    if not 0 <= count <= len(quantiser.layers):
        raise ConfigError(f"float_layers {count} is not between 0 and {len(quantiser.layers)}")
    ranked = layer_losses(quantiser, samples, decides=decides) if count else []
    return [loss.layer for loss in ranked[:count]]


def choose_float_layers(
    quantiser: Quantiser, clips: LabelledClips, budget: AccuracyBudget, always: Sequence[str] = ()
) -> Choice:
    """Of a student: by the decisions on these clips, and their top-1."""
    samples = [clips.clips[i : i + 1] for i in range(len(clips.clips))]
    (wanted,) = outputs(quantiser.model, samples)

    def loss(model: onnx.ModelProto) -> Loss:
        (given,) = outputs(model, samples)
        drop = 100 * (top1(wanted, clips.labels) - top1(given, clips.labels))
        return Loss(100 * agreement(wanted, given), drop)

    return fewest_float_layers(
        quantiser, quantiser.samples, loss, lambda: layer_losses(quantiser, samples, decides=True), budget, always
    )


def choose_by_people(
    quantiser: Quantiser, few: Sequence[Array], fitted_on: Sequence[Array], judge: Evaluator, budget: AccuracyBudget
) -> Choice:
    """Of a pose network: by the people it finds in the judge's pictures.

    few: inputs that rank the layers; all of them would take minutes. fitted_on: inputs that the trials' weights and
    biases are fitted to.
    """

    def loss(model: onnx.ModelProto) -> Loss:
        with temporary_folder() as folder:
            path = folder / "trial.int8.onnx"
            onnx.save(model, str(path))
            engine = open_engine(path)
            try:
                return judge.loss(engine)
            finally:
                engine.close()

    return fewest_float_layers(quantiser, fitted_on, loss, lambda: layer_losses(quantiser, few, decides=False), budget)


def show_trials(choice: Choice, budget: AccuracyBudget, what: str = "agreement") -> None:
    """The trials as a table."""
    allowed = f"{budget.min_agreement:g} % {what}"
    if any(trial.loss.top1_drop is not None for trial in choice.trials):
        allowed = f"{budget.max_top1_drop:g} points, {allowed}"
    table = Table("layers", "top-1 lost, points", f"{what} %", "", title=f"kept in floating point; budget: {allowed}")
    for trial in choice.trials:
        lost = "" if trial.loss.top1_drop is None else f"{trial.loss.top1_drop:.2f}"
        verdict = "within" if trial.within(budget) else "missed"
        table.add_row(str(trial.float_layers), lost, f"{trial.loss.agreement:.2f}", verdict)
    console.print(table)
