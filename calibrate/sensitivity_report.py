"""``python -m calibrate sensitivity``: each layer's loss when it alone is in INT8, as a table, JSON and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Table

from calibrate.calibration_set import clips_for, stratified
from calibrate.configuration import SensitivityConfig
from calibrate.evaluation.compare import unbatched
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.sensitivity import LayerLoss, layer_losses
from edge.cli.console import console
from edge.contract.bundle import STUDENT_FP32, read_bundle
from edge.contract.files import atomic_write, require_writable, write_json


def report_sensitivity(config: SensitivityConfig) -> None:
    """Rank the layers, print the table, write JSON and PNG. Raises OutputError early if these cannot be written."""
    bundle = read_bundle(config.bundle)
    clips = clips_for(bundle, config.clips)
    ids = stratified(clips.labels, config.samples, config.seed)
    samples = unbatched(clips.clips[ids])
    json_file, plot_file = config.out / "sensitivity.json", config.out / "sensitivity.png"
    require_writable(json_file, plot_file)
    quantiser = Quantiser(bundle.file(STUDENT_FP32), samples, config.method)
    losses = layer_losses(quantiser, samples)
    table = Table(
        "layer alone in INT8", "disagreement with FP32 %", "variance of logits lost %", title=f"{len(samples)} clips"
    )
    for loss in losses:
        table.add_row(loss.layer, f"{100 * loss.decisions_lost:.2f}", f"{100 * loss.error:.4f}")
    console.print(table)
    write_json(json_file, [asdict(loss) for loss in losses])
    _plot(losses, plot_file)


def _plot(losses: Sequence[LayerLoss], path: Path) -> None:
    names = [loss.layer for loss in losses]
    figure = Figure(figsize=(10, 1 + 0.25 * len(losses)))
    decisions, error = figure.subplots(1, 2, sharey=True)
    decisions.barh(names, [100 * loss.decisions_lost for loss in losses])
    decisions.set_xlabel("disagreement with FP32, % of clips")
    decisions.invert_yaxis()
    error.barh(names, [100 * loss.error for loss in losses])
    error.set_xlabel("variance of logits lost, %")
    error.locator_params(axis="x", nbins=5)  # more labels, if long, would overlap
    figure.tight_layout()
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=120)
