"""``python -m train quantise-aware``: an INT8 student trained on in eight bits, its teacher still at work.

The second resort, where no choice of ranges and float layers keeps the student's decisions. What
``python -m calibrate student`` wrote stays as it is, ranges, places of the Q/DQ pairs and float layers; the weights
learn to live with them. To the student's own losses comes one more, the squared distance from the FP32 student's
logits on the same poor skeletons, for it is that student's decisions that INT8 must keep. (Logits, not probabilities:
of clips that were learnt the probabilities are near 0 and 1 and teach nothing more. Ba and Caruana, "Do Deep Nets
Really Need to be Deep?", NeurIPS 2014.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from edge.cli.console import console
from edge.contract.bundle import STUDENT_FP32, STUDENT_INT8, Bundle, read_bundle, write_manifest
from edge.contract.errors import BundleError, ConfigError, DataError
from train.checkpoint import Checkpoint, load_trained
from train.data.pairs import PairDataset
from train.distillation.methods import Method, method
from train.evaluate import predict
from train.export.bundle import clips_of, logits_of
from train.fit import Run, fit
from train.hardware import launch
from train.quantise_aware.configuration import QuantiseAwareConfig
from train.quantise_aware.quantised_network import QuantisedNetwork
from train.step import Batch, Distillation, paired_outputs, weighted_losses
from train.teach import require_same_data, write_results

FLOAT = "float"
"""Name of the distance from the FP32 student among the losses."""
WRITTEN_APART = 0.25
"""How far the written file's logits may be from PyTorch's, on average and as part of their size. Integer kernels round
some ties the other way, which shows where steps are coarse; a file gone wrong is further off."""


def quantise_aware(config: QuantiseAwareConfig) -> None:
    """Train, write ``student.int8.onnx`` with the same Q/DQ pairs and new weights, and its accuracy.

    Raises ConfigError for a run that no teacher taught, or a teacher of other data, BundleError for a bundle of another
    student.
    """
    checkpoint, taught = load_trained(config.run), load_trained(config.teacher)
    how = _method_of(checkpoint, config.run)
    require_same_data(taught, checkpoint.about, config.teacher)
    exact, bundle = checkpoint.rebuild(config.run).requires_grad_(False), read_bundle(config.bundle)
    fp32, int8 = bundle.file(STUDENT_FP32), bundle.file(STUDENT_INT8)
    _refuse_other_student(exact, checkpoint.about, bundle)
    fabric, student = launch(config.hardware), QuantisedNetwork(int8)
    teacher = taught.rebuild(config.teacher).requires_grad_(False)
    for network in (teacher, exact):
        network.to(fabric.device, config.hardware.dtype)
    distillation = Distillation(teacher, _adapter(checkpoint), how.losses)

    def loss_function(batch: Batch) -> Mapping[str, Tensor]:
        return losses_in_eight_bits(student, exact, distillation, batch, config.keep, fabric)

    about = _about(checkpoint, config, student)
    train, test = clips_of(checkpoint, config.data, config.cache, redraw=how.redraw)
    run = Run(
        out=config.out, see="lq", network=student, extra=distillation.adapter, loss_function=loss_function,
        method=how, train=train, validation=None, test=test, optimiser=config.optimiser, seed=config.seed,
        about=about, hardware=config.hardware,
    )  # fmt: skip
    write_results(
        run, fit(run, fabric), fabric, f"{about['network']} in eight bits, taught by {config.teacher.name}", None
    )
    if fabric.is_global_zero:
        _write(student, int8, fp32, test, bundle, config.optimiser.epochs)


def _write(student: QuantisedNetwork, int8: Path, fp32: Path, test: PairDataset, bundle: Bundle, epochs: int) -> None:
    """The INT8 file anew, held against PyTorch, and in the manifest what it does on the test clips."""
    low, _, labels = test.batch(np.arange(len(test)))
    wanted, before = logits_of(fp32, low), logits_of(int8, low)
    student.write(int8)
    given = logits_of(int8, low)
    trained = predict(student, test, see="lq")
    if not np.abs(given - trained).mean() <= WRITTEN_APART * np.abs(trained).mean():
        raise DataError("the written network does not give what PyTorch gives", where=int8)
    top1, alike = float((given.argmax(1) == labels).mean()), _alike(wanted, given)
    known, measured = bundle.manifest, {"top1": round(top1, 4), "agreement": round(alike, 4)}
    write_manifest(
        bundle.folder,
        replace(
            known,
            accuracy={**known.accuracy, "int8": measured},
            training={**known.training, "quantise_aware_epochs": epochs},
        ),
    )
    console.print(
        f"{int8}: decided as FP32 on {100 * alike:.2f} % of {len(labels)} test clips, "
        f"{100 * _alike(wanted, before):.2f} % before; top-1 {100 * top1:.2f} %"
    )


def losses_in_eight_bits(
    student: nn.Module, exact: nn.Module, distillation: Distillation, batch: Batch, keep: float, fabric: Fabric
) -> dict[str, Tensor]:
    """The student's own losses, the task's first, and ``keep`` times the distance from the FP32 student ``exact``."""
    outputs = paired_outputs(student, distillation, batch, fabric)
    losses = weighted_losses(outputs, distillation.weights, batch.targets)
    if keep:
        with torch.no_grad():
            wanted = exact(batch.low)[0]
        losses[FLOAT] = keep * F.mse_loss(outputs.logits, wanted)
    return losses


def _refuse_other_student(exact: nn.Module, about: dict[str, Any], bundle: Bundle) -> None:
    """BundleError unless the bundle's reference logits are what the run's network gives for their clips."""
    known = bundle.manifest
    same = (list(known.classes), known.layout, known.input_shape[-1]) == (
        about["classes"], about["layout"], about["bodies"],
    )  # fmt: skip
    if same:
        stored = bundle.reference()
        with torch.inference_mode():
            given = exact(torch.from_numpy(stored["clips"]))[0].numpy()
        same = np.allclose(given, stored["logits"], rtol=1e-3, atol=1e-3 * float(np.abs(given).max()))
    if not same:
        raise BundleError("holds another student than the run's", where=bundle.folder, hint="export the run again")


def _method_of(checkpoint: Checkpoint, folder: Path) -> Method:
    if "method" not in checkpoint.about:
        raise ConfigError("no teacher taught this run", where=folder, hint="give the folder of a distilled student")
    return method(checkpoint.about["method"])


def _adapter(checkpoint: Checkpoint) -> nn.Conv2d:
    """The training-only convolution to the teacher's channels, as far as the student's training brought it."""
    weight = checkpoint.extra["weight"]
    adapter = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
    adapter.load_state_dict(checkpoint.extra)
    return adapter


def _about(checkpoint: Checkpoint, config: QuantiseAwareConfig, student: QuantisedNetwork) -> dict[str, Any]:
    own = {"eight_bits": student.placement(), "keep": config.keep, "precision": config.hardware.precision}
    return {name: value for name, value in checkpoint.about.items() if name not in ("seed", "optimiser")} | own


def _alike(wanted: np.ndarray, given: np.ndarray) -> float:
    """Share of logits (N, K) that decide alike, 0..1."""
    return float((wanted.argmax(1) == given.argmax(1)).mean())
