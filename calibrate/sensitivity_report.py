"""``python -m calibrate sensitivity``: each layer's loss when it alone is in INT8, as a table, JSON and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from calibrate.calibration_set import Method, clips_for, stratified
from calibrate.evaluation.compare import unbatched
from edge.cli.console import console
from edge.contract.bundle import STUDENT_FP32, read_bundle
from edge.contract.files import atomic_write, require_writable, write_json

if TYPE_CHECKING:
    # Needs ONNX Runtime, which devices that only build engines lack.
    from calibrate.quantisation.sensitivity import LayerLoss


@dataclass(frozen=True)
class SensitivityConfig:
    """Quantise each layer of a bundle's student alone and count the decisions that change."""

    bundle: Path
    """Bundle folder, as `python -m train export` wrote it."""
    clips: Path
    """calibration.npz with clips and labels."""
    out: Path
    """Folder for sensitivity.json and sensitivity.png."""
    method: Method = "margin"
    """How ranges are chosen: minmax, percentile (99.99), entropy (slow), mse, margin (a fifth more)."""
    samples: int = 256
    """Number of clips for calibration and comparison, stratified by class."""
    seed: int = 0
    """Seed of the choice of clips."""


def report_sensitivity(config: SensitivityConfig) -> None:
    """Rank the layers, print the table, write JSON and PNG. Raises OutputError early if these cannot be written."""
    from calibrate.quantisation.quantise import Quantiser
    from calibrate.quantisation.sensitivity import layer_losses

    bundle = read_bundle(config.bundle)
    clips = clips_for(bundle, config.clips)
    ids = stratified(clips.labels, config.samples, config.seed)
    samples = unbatched(clips.clips[ids])
    json_file, plot_file = config.out / "sensitivity.json", config.out / "sensitivity.png"
    require_writable(json_file, plot_file)
    quantiser = Quantiser(bundle.file(STUDENT_FP32), samples, config.method)
    losses = layer_losses(quantiser, samples, decides=True)
    table = Table("layer alone in INT8", "disagreement with FP32 %", "error of logits", title=f"{len(samples)} clips")
    for loss in losses:
        table.add_row(loss.layer, f"{100 * loss.decisions_lost:.2f}", f"{loss.error:.5f}")
    console.print(table)
    write_json(json_file, [asdict(loss) for loss in losses])
    _plot(losses, plot_file)


def _plot(losses: Sequence[LayerLoss], path: Path) -> None:
    from matplotlib.figure import Figure

    names = [loss.layer for loss in losses]
    figure = Figure(figsize=(10, 1 + 0.25 * len(losses)))
    decisions, error = figure.subplots(1, 2, sharey=True)
    decisions.barh(names, [100 * loss.decisions_lost for loss in losses])
    decisions.set_xlabel("disagreement with FP32, % of clips")
    decisions.invert_yaxis()
    error.barh(names, [loss.error for loss in losses])
    error.set_xlabel("squared error of logits / their variance")
    figure.tight_layout()
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=120)
