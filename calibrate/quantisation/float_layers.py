"""Choose the fewest layers to leave in floating point so that an INT8 network meets its accuracy budget.

A student is evaluated by its decisions, a pose network by the people it finds, both on calibration data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import onnx
from rich.table import Table

from calibrate.calibration_set import LabelledClips
from calibrate.evaluation.compare import unbatched
from calibrate.evaluation.evaluator import Evaluator, Loss, decision_loss
from calibrate.quantisation.compact import compact
from calibrate.quantisation.onnx_graph import Array, Sample
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.sensitivity import SAMPLES, LayerLoss, layer_losses, outputs, smallest_passing
from edge.cli.console import console
from edge.contract.errors import ConfigError
from edge.contract.files import temporary_folder
from edge.contract.manifest import AccuracyBudget
from edge.engines.registry import open_engine


@dataclass(frozen=True)
class Trial:
    """An INT8 network with ``float_layers`` layers in floating point, and its loss against FP32."""

    float_layers: int
    loss: Loss

    def within(self, budget: AccuracyBudget) -> bool:
        return not budget.violations(self.loss.agreement, self.loss.top1_drop)


@dataclass(frozen=True)
class Choice:
    """float_layers: names of the chosen layers. model: the INT8 network with them, as evaluated. trials: in order."""

    float_layers: list[str]
    model: onnx.ModelProto
    trials: list[Trial]


def fewest_float_layers(
    quantiser: Quantiser,
    corrected_on: Sequence[Sample],
    loss: Callable[[onnx.ModelProto], Loss],
    rank: Callable[[], list[LayerLoss]],
    budget: AccuracyBudget,
    always: Sequence[str] = (),
) -> Choice:
    """Return the fewest float layers with which ``loss`` is within the budget; ``always`` are among them.

    corrected_on: samples that the trials' weights and biases are fitted to. rank: returns every layer's loss in INT8
    alone, worst first; layers are taken in that order. If even all of them miss the budget, none is added: INT8 layers
    are then not the cause.
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
    return Choice(with_first(count), tried[count], trials)


def most_sensitive(quantiser: Quantiser, count: int, samples: Sequence[Array]) -> list[str]:
    """Return the ``count`` layers that lose most in INT8 alone. Raises ConfigError if the network has fewer."""
    if not 0 <= count <= len(quantiser.layers):
        raise ConfigError(f"float_layers {count} is not between 0 and {len(quantiser.layers)}")
    ranked = layer_losses(quantiser, samples) if count else []
    return [loss.layer for loss in ranked[:count]]


def choose_float_layers(
    quantiser: Quantiser, clips: LabelledClips, budget: AccuracyBudget, always: Sequence[str] = ()
) -> Choice:
    """Choose a student's float layers by its decisions and top-1 on these clips."""
    samples = unbatched(clips.clips)
    (wanted,) = outputs(quantiser.model, samples)

    def loss(model: onnx.ModelProto) -> Loss:
        return decision_loss(wanted, outputs(model, samples)[0], clips.labels)

    return fewest_float_layers(
        quantiser, quantiser.samples, loss, lambda: layer_losses(quantiser, samples), budget, always
    )


def choose_by_people(
    quantiser: Quantiser, few: Sequence[Array], fitted_on: Sequence[Array], evaluator: Evaluator, budget: AccuracyBudget
) -> Choice:
    """Choose a pose network's float layers by the people it finds in the evaluator's images.

    few: inputs that rank the layers; more would take minutes. fitted_on: inputs that the trials' weights and biases
    are fitted to.
    """

    def loss(model: onnx.ModelProto) -> Loss:
        with temporary_folder() as folder:
            path = folder / "trial.int8.onnx"
            onnx.save(model, str(path))
            with closing(open_engine(path)) as engine:
                return evaluator.loss(engine)

    return fewest_float_layers(quantiser, fitted_on, loss, lambda: layer_losses(quantiser, few), budget)


def noisiest_within(
    quantiser: Quantiser, kept: Sequence[str], evaluated_on: Sequence[Array], largest_bytes: float
) -> list[str]:
    """Return the float layers ``kept`` and as many others, noisiest first, as fit into ``largest_bytes``.

    A network is confident about the clips it was trained on: they show the noise of its logits, but hardly a decision
    that this noise would change for new people. Beyond the float layers that decisions ask for, file size is therefore
    the limit. A small student's noisiest layers, those of its first unit and the classifier, are also its smallest.

    evaluated_on: clips (1, C, T, V, M) that the ranges were not taken from. A layer that would make the file too large
    is skipped; a smaller one may follow.
    """

    def size(float_layers: Sequence[str]) -> int:
        # Few samples suffice: they only change bias values.
        return int(compact(quantiser.rounded(float_layers, quantiser.samples[:SAMPLES])).ByteSize())

    found = list(kept)
    if size(found) > largest_bytes:
        return found
    for loss in sorted(layer_losses(quantiser, evaluated_on), key=lambda loss: -loss.error):
        if loss.layer not in found and size([*found, loss.layer]) <= largest_bytes:
            found.append(loss.layer)
    return found


def show_trials(choice: Choice, budget: AccuracyBudget, what: str = "agreement") -> None:
    """Print the trials as a table."""
    allowed = f"{budget.min_agreement:g} % {what}"
    if any(trial.loss.top1_drop is not None for trial in choice.trials):
        allowed = f"{budget.max_top1_drop:g} points, {allowed}"
    table = Table(
        "layers", "top-1 lost, points", f"{what} %", "", title=f"layers left in floating point; budget: {allowed}"
    )
    for trial in choice.trials:
        lost = "" if trial.loss.top1_drop is None else f"{trial.loss.top1_drop:.2f}"
        verdict = "within" if trial.within(budget) else "missed"
        table.add_row(str(trial.float_layers), lost, f"{trial.loss.agreement:.2f}", verdict)
    console.print(table)
