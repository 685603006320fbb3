"""From a trained run to a bundle: ONNX, manifest, self-test, and the clips calibration needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.cli.console import console
from edge.contract.bundle import REFERENCE, STUDENT_FP32, write_manifest
from edge.contract.errors import ConfigError
from edge.contract.files import write_arrays
from edge.contract.layouts import layout, mapping
from edge.contract.manifest import Manifest
from edge.contract.preprocess import Preprocessing
from edge.contract.types import Float32
from edge.engines.registry import open_engine
from train.checkpoint import Checkpoint, load_trained
from train.data.corruption.estimator_errors import EstimatorErrors
from train.data.corruption.fitted_errors import checksum_of_errors
from train.data.generated import body
from train.data.generated.kinematic import first_test_clips
from train.data.pairs import PairConfig, PairDataset
from train.data.registry import DATASETS, DataConfig, read_dataset
from train.evaluate import accuracy
from train.export.configuration import ExportConfig
from train.export.onnx_file import refuse_difference, write_network
from train.export.stream_files import stream_form
from train.networks.dense_gcn_stream import DenseGcnStream
from train.networks.motion_stem import fuse_motion_stems

INPUT, OUTPUT = "clip", "logits"
FEW_CLIPS = 16
"""Enough for a self-test; and no more of the recordings of others, where the generator has no such joints."""
CALIBRATION_CLIPS = 4096


def export(config: ExportConfig) -> None:
    """Export, check the ONNX against PyTorch, measure its accuracy on ONNX Runtime, write the bundle."""
    checkpoint = load_trained(config.run)
    train, test = clips_of(checkpoint, config.data, config.cache)
    low, _, labels = test.batch(np.arange(len(test)))

    student = config.bundle / STUDENT_FP32
    network = checkpoint.rebuild(config.run)
    write_onnx(network, low[:2], student)
    logits, shown = logits_of(student, low), reference_clips(checkpoint, low, config.reference_clips)
    write_arrays(config.bundle / REFERENCE, clips=shown, logits=logits_of(student, shown.astype(np.float32)))
    save_clips(train, config.workdir / "calibration.npz")
    write_arrays(config.workdir / "test.npz", clips=low, labels=labels)

    result = accuracy(logits, labels)
    manifest = _manifest(config, checkpoint, low.shape, result.top1, result.mean_class)
    if isinstance(network, DenseGcnStream) and network.bodies == 1:
        manifest = replace(
            manifest, stream=stream_form(checkpoint, network, config.bundle, low, labels, shown[:FEW_CLIPS])
        )
    write_manifest(config.bundle, manifest)
    console.print(f"bundle {config.bundle}: FP32 top-1 {result.top1 * 100:.2f} % on {len(labels)} test clips")


def clips_of(
    checkpoint: Checkpoint, folder: Path | None, cache: Path | None = None, *, redraw: bool | None = None
) -> tuple[PairDataset, PairDataset]:
    """What a run was trained and tested on, its dataset in ``folder``.

    cache: see :attr:`train.data.registry.DataConfig.cache`. redraw: whether training clips are corrupted anew at each
    draw; None for what the run's data say.
    Raises ConfigError where the dataset needs a folder, which the run does not remember, and none is given, and where
    the run's file of fitted errors has changed.
    """
    about = checkpoint.about
    if folder is None and about["source"] in DATASETS:
        raise ConfigError(f"the run was trained on {about['source']}", hint="give that dataset's folder with --data")
    pairs = pair_config(about["pairs"])
    for contents, now in checksum_of_errors(pairs.fitted_errors).items():
        if about.get(contents, now) != now:
            raise ConfigError(
                "the run was trained with other fitted errors than this file holds by now",
                where=pairs.fitted_errors,
                hint="put the earlier file there, or train again",
            )
    source = DataConfig(
        dataset=about["source"], folder=folder, clips_per_class=about["clips_per_class"],
        scenes=about.get("scenes", 0), pairs=pairs, split=about.get("source_split"), cache=cache,
    )  # fmt: skip
    data = read_dataset(source)
    drawn = pairs if redraw is None else replace(pairs, redraw=redraw)
    return PairDataset(data, drawn, train=True, seed=about["seed"]), PairDataset(data, pairs, train=False, seed=0)


def save_clips(train: PairDataset, path: Path) -> None:
    """Write LQ clips, labels and ids to calibrate on."""
    # Shuffled, and so many that calibration, which draws the classes evenly, finds enough of each.
    chosen = np.random.default_rng(0).permutation(len(train))[:CALIBRATION_CLIPS]
    clips, _, labels = train.batch(chosen)
    write_arrays(path, clips=clips, labels=labels, ids=chosen)


def reference_clips(checkpoint: Checkpoint, test: Float32, count: int) -> NDArray[np.float16]:
    """Clips for a bundle's self-test: the generator's people where it has such joints, else a few test clips.

    In half precision, which is half the file; logits are of the clips as they are stored. The first are as mixed as
    all of them.
    """
    about = checkpoint.about
    if about["bodies"] == 1 and None not in mapping(body.LAYOUT, layout(about["layout"])):
        return generated_clips(replace(pair_config(about["pairs"]), layout=about["layout"]), count)
    few: NDArray[np.float16] = test[_evenly(len(test), FEW_CLIPS)].astype(np.float16)
    return few


def generated_clips(pairs: PairConfig, count: int) -> NDArray[np.float16]:
    """Clips (count, C, T, V, 1) of the generator's people for a bundle's self-test.

    A bundle is passed on; recordings that others made seldom may be.
    """
    # The generator's people have no second recording; a run that was trained on those shows plain dropping here.
    pairs = replace(pairs, poor="auto" if pairs.poor == "recorded" else pairs.poor)
    made = PairDataset(first_test_clips(count, seed=0), pairs, train=False, seed=0)
    clips: NDArray[np.float16] = made.batch(np.arange(len(made)))[0].astype(np.float16)
    return clips


def _evenly(count: int, wanted: int) -> NDArray[np.int64]:
    """``wanted`` places of ``count``, or all where there are fewer."""
    return np.linspace(0, count - 1, min(wanted, count)).astype(np.int64)


def pair_config(raw: dict[str, Any]) -> PairConfig:
    """The pairs a run was trained with, from its checkpoint, or those that a file of settings asks for."""
    errors = raw.get("estimator_errors")
    return PairConfig(
        **{
            **raw,
            "preprocessing": Preprocessing(**raw.get("preprocessing", {})),
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
    whole, clips = _LogitsOnly(network).eval(), torch.from_numpy(example)

    def check(partial: Path) -> None:
        with torch.inference_mode():
            refuse_difference(logits_of(partial, example), whole(clips), "network", path)

    write_network(fuse_motion_stems(whole), (clips,), path, inputs=[INPUT], outputs=[OUTPUT], batch=True, check=check)


def logits_of(path: Path, clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (N, K) that an exported network gives for clips (N, C, T, V, M), on the device's own engine."""
    engine = open_engine(path)
    parts = [engine.run({INPUT: clips[i : i + 64]})[OUTPUT] for i in range(0, len(clips), 64)]
    engine.close()
    return np.concatenate(parts)


def _manifest(
    config: ExportConfig, checkpoint: Checkpoint, shape: tuple[int, ...], top1: float, mean_class: float
) -> Manifest:
    about = checkpoint.about
    _, c, t, v, m = shape
    return Manifest(
        name=config.name or config.bundle.name,
        classes=tuple(about["classes"]),
        layout=about["layout"],
        preprocessing=Preprocessing(**about["pairs"]["preprocessing"]),
        input_name=INPUT,
        output_name=OUTPUT,
        input_shape=(1, c, t, v, m),
        training=checkpoint.training_summary(),
        accuracy={
            "test_clips": about["test_clips"],
            "fp32": {"top1": round(top1, 4), "mean_class": round(mean_class, 4)},
        },
    )
