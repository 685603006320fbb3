"""``python -m train quantise-aware``: fine-tune a bundle's INT8 student, with the teacher of its FP32 student.

For students whose decisions calibration alone does not keep. Ranges, Q/DQ pairs and float layers stay as
``python -m calibrate student`` chose them; the weights adapt to them. The losses are those of the student's training
and one more, the squared distance from the FP32 student's logits on the same LQ clips. Logits, because the
probabilities of clips trained on are close to 0 and 1 and carry little information (Ba and Caruana, "Do Deep Nets
Really Need to be Deep?", NeurIPS 2014).
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

from edge.bench.accuracy_figures import agreement
from edge.cli.console import console
from edge.contract.bundle import STUDENT_FP32, STUDENT_INT8, Bundle, read_bundle, write_manifest
from edge.contract.errors import BundleError, ConfigError, DataError
from edge.contract.files import temporary_folder
from train.checkpoint import FILE, Checkpoint, load_trained
from train.data.pairs import PairDataset
from train.distillation.methods import method
from train.evaluate import predict
from train.export.bundle import load_clips, onnx_logits
from train.fit import Run, fit
from train.hardware import launch
from train.quantise_aware.configuration import QuantiseAwareConfig
from train.quantise_aware.quantised_network import QuantisedGraph, quantised_student
from train.step import Batch, Distillation, paired_outputs, weighted_losses
from train.teach import require_same_data, write_results
from train.torch_file import refuse_other_version

FLOAT = "float"
"""Name of the loss on the distance from the FP32 student."""
LOGIT_TOLERANCE = 0.25
"""Largest mean difference between the logits of the written file and PyTorch's, relative to their mean size. Integer
kernels round some ties differently, which large steps amplify; a wrongly written file differs more."""


def quantise_aware(config: QuantiseAwareConfig) -> None:
    """Train, write ``student.int8.onnx`` with the same Q/DQ pairs and new weights, and its accuracy in the manifest.

    Raises ConfigError for a run without distillation, or a teacher of other data, BundleError for a bundle of another
    student.
    """
    checkpoint, teacher_run = load_trained(config.run), load_trained(config.teacher)
    if "method" not in checkpoint.about:
        hint = "give the folder of a distilled student"
        raise ConfigError("this run was trained without a teacher", where=config.run, hint=hint)
    how = method(checkpoint.about["method"])
    require_same_data(teacher_run, checkpoint.about, config.teacher)
    fp32_student, bundle = checkpoint.rebuild(config.run).requires_grad_(False), read_bundle(config.bundle)
    fp32, int8 = bundle.file(STUDENT_FP32), bundle.file(STUDENT_INT8)
    _require_same_student(fp32_student, checkpoint.about, bundle)
    fabric, student = launch(config.hardware), quantised_student(int8)
    teacher = teacher_run.rebuild(config.teacher).requires_grad_(False)
    for network in (teacher, fp32_student):
        network.to(fabric.device, config.hardware.dtype)
    with refuse_other_version(config.run / FILE):
        distillation = Distillation(teacher, _adapter(checkpoint), how.losses)

    def loss_function(batch: Batch) -> Mapping[str, Tensor]:
        return quantised_losses(student, fp32_student, distillation, batch, config.keep, fabric)

    about = _about(checkpoint, config, student) | {"teacher": teacher_run.fingerprint()}
    train, test = load_clips(checkpoint, config.data, config.cache, redraw=how.redraw)
    run = Run(
        out=config.out, see="lq", network=student, extra=distillation.adapter, loss_function=loss_function,
        method=how, train=train, validation=None, test=test, optimiser=config.optimiser, seed=config.seed,
        about=about, hardware=config.hardware,
    )  # fmt: skip
    write_results(run, fit(run, fabric), fabric, f"{about['network']} in INT8, taught by {config.teacher.name}", None)
    if fabric.is_global_zero:
        _write(student, int8, fp32, test, bundle, config.optimiser.epochs)


def _write(student: QuantisedGraph, int8: Path, fp32: Path, test: PairDataset, bundle: Bundle, epochs: int) -> None:
    """Compare the INT8 network with PyTorch, write it, and put its accuracy on the test clips into the manifest."""
    low, _, labels = test.batch(np.arange(len(test)))
    exact, before = onnx_logits(fp32, low), onnx_logits(int8, low)
    with temporary_folder() as folder:
        student.write(folder / STUDENT_INT8)
        after = onnx_logits(folder / STUDENT_INT8, low)
        trained = predict(student, test, see="lq")
        if not np.abs(after - trained).mean() <= LOGIT_TOLERANCE * np.abs(trained).mean():
            raise DataError("the written network's logits differ from PyTorch's", where=int8)
        top1, alike = float((after.argmax(1) == labels).mean()), agreement(exact, after)
        known, measured = bundle.manifest, {"top1": round(top1, 4), "agreement": round(alike / 100, 4)}
        measures, training = {**known.accuracy, "int8": measured}, {**known.training, "quantise_aware_epochs": epochs}
        write_manifest(bundle.folder, lambda present: replace(present, accuracy=measures, training=training), folder)
    console.print(
        f"{int8}: agrees with FP32 on {alike:.2f} % of {len(labels)} test clips, "
        f"{agreement(exact, before):.2f} % before; top-1 {100 * top1:.2f} %"
    )


def quantised_losses(
    student: nn.Module, fp32_student: nn.Module, distillation: Distillation, batch: Batch, keep: float, fabric: Fabric
) -> dict[str, Tensor]:
    """The losses of the student's training, the task's first, and ``keep`` times the distance from the FP32 student."""
    outputs = paired_outputs(student, distillation, batch, fabric)
    losses = weighted_losses(outputs, distillation.weights, batch.targets)
    if keep:
        with torch.no_grad():
            target = fp32_student(batch.low)[0]
        losses[FLOAT] = keep * F.mse_loss(outputs.logits, target)
    return losses


def _require_same_student(fp32_student: nn.Module, about: dict[str, Any], bundle: Bundle) -> None:
    """Raise BundleError unless the run's network reproduces the bundle's reference logits."""
    known = bundle.manifest
    own = {"classes": list(known.classes), "layout": known.layout, "bodies": known.input_shape[-1]}
    same = own == {name: about[name] for name in own}
    if same:
        stored = bundle.reference()
        with torch.inference_mode():
            logits = fp32_student(torch.from_numpy(stored["clips"]))[0].numpy()
        same = np.allclose(logits, stored["logits"], rtol=1e-3, atol=1e-3 * float(np.abs(logits).max()))
    if not same:
        raise BundleError("contains another student than the run's", where=bundle.folder, hint="export the run again")


def _adapter(checkpoint: Checkpoint) -> nn.Conv2d:
    """The training-only convolution to the teacher's channels, with the weights from the student's training."""
    weight = checkpoint.extra["weight"]
    adapter = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
    adapter.load_state_dict(checkpoint.extra)
    return adapter


def _about(checkpoint: Checkpoint, config: QuantiseAwareConfig, student: QuantisedGraph) -> dict[str, Any]:
    own = {"eight_bits": student.structure_digest(), "keep": config.keep, "precision": config.hardware.precision}
    return {name: value for name, value in checkpoint.about.items() if name not in ("seed", "optimiser")} | own
