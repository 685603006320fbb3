"""The fewest layers left in floating point with which an INT8 student keeps its decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from calibrate.calibration_set import LabelledClips
from calibrate.compare import agreement, top1
from calibrate.quantise import Quantiser
from calibrate.sensitivity import LayerLoss, fewest, layer_losses, outputs
from edge.command_line import console
from edge.contract.bundle import AccuracyBudget


@dataclass(frozen=True)
class Trial:
    """An INT8 student with ``float_layers`` layers in floating point. top1_drop: points. agreement: percent."""

    float_layers: int
    top1_drop: float
    agreement: float

    def within(self, budget: AccuracyBudget) -> bool:
        return self.top1_drop <= budget.max_top1_drop and self.agreement >= budget.min_agreement


@dataclass(frozen=True)
class Choice:
    """float_layers: those to keep. losses: of every layer, empty where no ranking was needed. trials: in order."""

    float_layers: list[str]
    losses: list[LayerLoss]
    trials: list[Trial]


def choose_float_layers(
    quantiser: Quantiser, clips: LabelledClips, budget: AccuracyBudget, losses: Sequence[LayerLoss] = ()
) -> Choice:
    """Layers to leave in floating point so that these clips are decided within the budget; none where INT8 is enough.

    Layers go in the order of what they lose alone. Should the budget be missed with every layer in floating point,
    none is kept: then it is not the eight bits of convolutions that cost the decisions.
    """
    samples = [clips.clips[i : i + 1] for i in range(len(clips.clips))]
    (wanted,) = outputs(quantiser.model, samples)
    trials: list[Trial] = []
    ranked = list(losses)

    def passes(count: int) -> bool:
        if count and not ranked:
            ranked.extend(layer_losses(quantiser, samples, decides=True))
        layers = [loss.layer for loss in ranked[:count]]
        (given,) = outputs(quantiser.quantised(layers, quantiser.samples), samples)
        drop = 100 * (top1(wanted, clips.labels) - top1(given, clips.labels))
        trials.append(Trial(count, drop, 100 * agreement(wanted, given)))
        return trials[-1].within(budget)

    count = fewest(len(quantiser.layers), passes) or 0
    return Choice([loss.layer for loss in ranked[:count]], ranked, trials)


def show_trials(choice: Choice, budget: AccuracyBudget) -> None:
    """The trials as a table."""
    title = f"layers left in floating point; allowed: {budget.max_top1_drop:g} points, {budget.min_agreement:g} % alike"
    table = Table("layers", "top-1 lost, points", "decided alike %", "", title=title)
    for trial in choice.trials:
        verdict = "within" if trial.within(budget) else "missed"
        table.add_row(str(trial.float_layers), f"{trial.top1_drop:.2f}", f"{trial.agreement:.2f}", verdict)
    console.print(table)
