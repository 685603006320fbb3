"""From a trained run to a bundle: ONNX, manifest, self-test, and the clips calibration needs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.command_line import console
from edge.contract.bundle import REFERENCE, STUDENT_FP32, Manifest, write_manifest
from edge.contract.errors import DataError
from edge.contract.files import replacing
from edge.contract.layouts import layout, mapping
from edge.contract.preprocess import Preprocessing
from edge.contract.types import Float32
from edge.engines.registry import open_engine
from train.checkpoint import Checkpoint, load_checkpoint
from train.data import body
from train.data.corruption import EstimatorErrors
from train.data.kinematic import make_kinematic
from train.data.pairs import PairConfig, Pairs
from train.data.registry import DataConfig, read_dataset
from train.evaluate import accuracy
from train.networks.dense_gcn_stream import DenseGcnStream

OPSET = 17
"""The newest that TensorRT 8.5 reads."""
INPUT, OUTPUT = "clip", "logits"
TOLERANCE = 1e-4
REFERENCE_CLIPS = 16
GENERATED_PER_CLASS = 6
CALIBRATION_CLIPS = 4096


@dataclass(frozen=True)
class ExportConfig:
    """Write a trained student as a bundle folder."""

    run: Path
    """Folder of the student's run."""
    bundle: Path
    """Folder to write: bundle.yaml, student.onnx, reference.npz."""
    workdir: Path
    """Folder for calibration.npz and test.npz, which `python -m calibrate` reads."""
    data: Path | None = None
    """Folder of the dataset the run was trained on, where it needs one."""
    name: str | None = None
    """Name of the bundle; by default the folder's."""


def export(config: ExportConfig) -> None:
    """Export, check the ONNX against PyTorch, measure its accuracy on ONNX Runtime, write the bundle."""
    checkpoint = load_checkpoint(config.run)
    about = checkpoint.about
    pairs = pair_config(about["pairs"])
    source = DataConfig(
        about["source"], config.data, about["clips_per_class"], about.get("scenes", 0), pairs, about.get("source_split")
    )
    data = read_dataset(source)
    train = Pairs(data, pairs, train=True, seed=about["seed"])
    test = Pairs(data, pairs, train=False, seed=0)
    low, _, labels = test.batch(np.arange(len(test)))

    student = config.bundle / STUDENT_FP32
    network = checkpoint.rebuild()
    write_onnx(network, low[:2], student)
    if isinstance(network, DenseGcnStream) and network.bodies == 1:
        from train.export_stream import write_stream  # which needs this file

        write_stream(network, low[:1], config.bundle)
    logits = _logits(student, low)
    shown = _evenly(low)
    if about["bodies"] == 1 and None not in mapping(body.LAYOUT, layout(about["layout"])):
        shown = generated_clips(replace(pairs, layout=about["layout"]))
    save_arrays(config.bundle / REFERENCE, clips=shown, logits=_logits(student, shown))
    # Shuffled, and so many that calibration, which draws the classes evenly, finds enough of each.
    chosen = np.random.default_rng(0).permutation(len(train))[:CALIBRATION_CLIPS]
    clips, _, chosen_labels = train.batch(chosen)
    save_arrays(config.workdir / "calibration.npz", clips=clips, labels=chosen_labels, ids=chosen)
    save_arrays(config.workdir / "test.npz", clips=low, labels=labels)

    result = accuracy(logits, labels)
    write_manifest(config.bundle, _manifest(config, checkpoint, low.shape, result.top1, result.mean_class))
    console.print(f"bundle {config.bundle}: FP32 top-1 {result.top1 * 100:.2f} % on {len(labels)} test clips")


def generated_clips(pairs: PairConfig) -> Float32:
    """Clips (16, C, T, V, 1) of the generator's people for a bundle's self-test.

    A bundle is passed on; recordings that others made seldom may be.
    """
    # The generator's people have no second recording; a run that was trained on those shows plain dropping here.
    pairs = replace(pairs, poor="auto" if pairs.poor == "recorded" else pairs.poor)
    made = Pairs(make_kinematic(GENERATED_PER_CLASS, seed=0), pairs, train=False, seed=0)
    return _evenly(made.batch(np.arange(len(made)))[0])


def _evenly(clips: Float32) -> Float32:
    """REFERENCE_CLIPS of them, or all where there are fewer."""
    chosen: Float32 = clips[np.linspace(0, len(clips) - 1, min(REFERENCE_CLIPS, len(clips))).astype(int)]
    return chosen


def pair_config(raw: dict[str, Any]) -> PairConfig:
    """The pairs a run was trained with, from its checkpoint."""
    errors = raw["estimator_errors"]
    return PairConfig(
        **{
            **raw,
            "preprocessing": Preprocessing(**raw["preprocessing"]),
            "estimator_errors": None if errors is None else EstimatorErrors(**errors),
        }
    )


class _LogitsOnly(nn.Module):
    """The deployed network: features serve distillation alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clip: Tensor) -> Tensor:
        logits: Tensor = self.network(clip)[0]
        return logits


def write_onnx(network: nn.Module, example: NDArray[np.float32], path: Path) -> None:
    """Export with a dynamic batch, opset 17, and check: the ONNX checker, and logits within 1e-4 of PyTorch.

    example: (N >= 2, C, T, V, M) clips. Raises DataError if the exported network differs.
    """
    deployed = _LogitsOnly(network).eval()
    clips = torch.from_numpy(example)
    with replacing(path) as partial:
        with quiet_exporter():
            torch.onnx.export(
                deployed,
                (clips,),
                partial,
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
        model = onnx.load(partial)
        onnx.checker.check_model(model, full_check=True)
        (opset,) = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
        if opset != OPSET:
            raise DataError(f"the exporter wrote opset {opset}, TensorRT 8.5 reads {OPSET}", where=path)
        with torch.inference_mode():
            expected = deployed(clips).numpy()
        error = float(np.abs(_logits(partial, example) - expected).max())
        if not error <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise DataError(f"the exported network differs from PyTorch by {error:g}", where=path)


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """PyTorch writes opset 18 and converts, and says so at length; what counts is checked afterwards."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _logits(path: Path, clips: NDArray[np.float32]) -> NDArray[np.float32]:
    engine = open_engine(path)
    parts = [engine.run({INPUT: clips[i : i + 64]})[OUTPUT] for i in range(0, len(clips), 64)]
    engine.close()
    return np.concatenate(parts)


def save_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write an .npz whole."""
    with replacing(path) as partial:
        np.savez_compressed(partial, allow_pickle=False, **arrays)


def _manifest(
    config: ExportConfig, checkpoint: Checkpoint, shape: tuple[int, ...], top1: float, mean_class: float
) -> Manifest:
    about = checkpoint.about
    training = {
        key: about.get(key) for key in ("dataset", "split", "network", "width", "method", "losses", "combine", "seed")
    }
    _, c, t, v, m = shape
    return Manifest(
        name=config.name or config.bundle.name,
        classes=tuple(about["classes"]),
        layout=about["layout"],
        preprocessing=Preprocessing(**about["pairs"]["preprocessing"]),
        input_name=INPUT,
        output_name=OUTPUT,
        input_shape=(1, c, t, v, m),
        training=training | {"epochs": len(checkpoint.history)},
        accuracy={
            "test_clips": about["test_clips"],
            "fp32": {"top1": round(top1, 4), "mean_class": round(mean_class, 4)},
        },
    )
