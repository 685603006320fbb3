"""``python -m train export``: a bundle from a trained run, and the clips that calibration needs."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.cli.console import console
from edge.contract.bundle import (
    CALIBRATION,
    DECISIONS,
    MANIFEST,
    REFERENCE,
    STREAM_REFERENCE,
    STUDENT_FP32,
    STUDENT_INT8,
    write_manifest,
)
from edge.contract.errors import ConfigError
from edge.contract.files import require_writable, temporary_folder, write_arrays
from edge.contract.layouts import layout, mapping
from edge.contract.manifest import Manifest
from edge.contract.types import Float32
from edge.engines.registry import open_engine
from train.checkpoint import Checkpoint, load_trained
from train.data.configuration import DataConfig
from train.data.corruption.fitted_errors import checksum_of_errors
from train.data.generated import body
from train.data.generated.kinematic import first_test_clips
from train.data.pairs import PairConfig, PairDataset, clip_layout, pair_config
from train.data.registry import DATASETS, read_dataset
from train.evaluate import accuracy
from train.export.configuration import ExportConfig
from train.export.onnx_file import require_close, write_network
from train.export.stream_files import export_stream_form
from train.networks.dense_gcn_stream import DenseGcnStream
from train.networks.motion_stem import fuse_motion_stems

INPUT, OUTPUT = "clip", "logits"
SELF_TEST_CLIPS = 16
"""Few, because these may be other people's recordings, if the generator cannot make clips of this layout."""
CALIBRATION_CLIPS = 4096
MADE_FROM_STUDENT = (STUDENT_INT8, CALIBRATION, DECISIONS, STREAM_REFERENCE, "stream.*.onnx")
"""Files of a bundle that calibration and training made from its student or for it, as patterns."""


def export(config: ExportConfig) -> None:
    """Export, check the ONNX file against PyTorch, measure its accuracy, and write the bundle."""
    checkpoint = load_trained(config.run)
    train, test = load_clips(checkpoint, config.data, config.cache)
    low, _, labels = test.batch(np.arange(len(test)))

    network = checkpoint.rebuild(config.run)
    require_writable(config.bundle / MANIFEST)
    with temporary_folder() as made:
        student = made / STUDENT_FP32
        write_onnx(network, low[:2], student)
        logits, reference = onnx_logits(student, low), reference_clips(checkpoint, low, config.reference_clips)
        write_arrays(made / REFERENCE, clips=reference, logits=onnx_logits(student, reference.astype(np.float32)))
        write_calibration_clips(train, config.workdir / "calibration.npz")
        write_arrays(config.workdir / "test.npz", clips=low, labels=labels)

        result, about = accuracy(logits, labels), checkpoint.about
        manifest = Manifest(
            name=config.name or config.bundle.name,
            classes=tuple(about["classes"]),
            layout=about["layout"],
            preprocessing=train.config.preprocessing,
            input_name=INPUT,
            output_name=OUTPUT,
            input_shape=(1, *low[0].shape),
            training=checkpoint.training_summary(),
            accuracy={"test_clips": len(labels), "fp32": result.summary()},
        )
        if isinstance(network, DenseGcnStream) and network.bodies == 1:
            shown = reference[:SELF_TEST_CLIPS]
            manifest = replace(manifest, stream=export_stream_form(checkpoint, network, made, low, labels, shown))
        # The loop would use INT8 networks, stream and threshold of the student that is replaced.
        found = {path.name for pattern in MADE_FROM_STUDENT for path in config.bundle.glob(pattern)}
        former = sorted(found - {path.name for path in made.iterdir()})
        write_manifest(config.bundle, manifest, made, former)
    if former:
        names = ", ".join(former)
        console.print(f"removed from {config.bundle}, because they belong to the former student: {names}")
    console.print(f"bundle {config.bundle}: FP32 top-1 {result.top1 * 100:.2f} % on {len(labels)} test clips")


def load_clips(
    checkpoint: Checkpoint, folder: Path | None, cache: Path | None = None, *, redraw: bool | None = None
) -> tuple[PairDataset, PairDataset]:
    """The training and test clips of a run, whose dataset is in ``folder``.

    cache: see :attr:`train.data.configuration.DataConfig.cache`. redraw: whether the corruption of training clips is
    redrawn each time they are used; None for the run's own setting.
    Raises ConfigError if the dataset needs a folder and none is given (the checkpoint does not store it), or if it or
    the run's file of fitted errors has changed.
    """
    about = checkpoint.about
    needs_folder = about["source"] in DATASETS
    if folder is None and needs_folder:
        raise ConfigError(f"the run was trained on {about['source']}", hint="give that dataset's folder with --data")
    pairs = pair_config(about["pairs"])
    for contents, now in checksum_of_errors(pairs.fitted_errors).items():
        if about.get(contents, now) != now:
            raise ConfigError(
                "this file of fitted errors has changed since the run was trained",
                where=pairs.fitted_errors,
                hint="restore it, or train again",
            )
    source = DataConfig(
        dataset=about["source"], folder=folder if needs_folder else None, clips_per_class=about["clips_per_class"],
        scenes=about.get("scenes", 0), pairs=pairs, split=about.get("source_split"), cache=cache,
    )  # fmt: skip
    data = read_dataset(source)
    found = {"classes": [*data.classes], "layout": clip_layout(data, pairs), "bodies": len(data.clips[0].joints)}
    for key, value in found.items():
        if about[key] != value:
            hint = "give the data it was trained on, or train again"
            raise ConfigError(f"the run was trained with other {key}", where=folder, hint=hint)
    training = pairs if redraw is None else replace(pairs, redraw=redraw)
    return PairDataset(data, training, train=True, seed=about["seed"]), PairDataset(data, pairs, train=False, seed=0)


def write_calibration_clips(train: PairDataset, path: Path) -> None:
    """Write LQ clips, labels and ids to calibrate on."""
    # Shuffled, and enough of them for calibration, which samples evenly from the classes.
    chosen = np.random.default_rng(0).permutation(len(train))[:CALIBRATION_CLIPS]
    clips, _, labels = train.batch(chosen)
    write_arrays(path, clips=clips, labels=labels, ids=chosen)


def reference_clips(checkpoint: Checkpoint, test: Float32, count: int) -> NDArray[np.float16]:
    """Clips for a bundle's self-test: generated ones if the generator has the layout's joints, else a few test clips.

    float16 halves the file; the stored logits are those of the rounded clips. The first clips are a fair sample of all.
    """
    about = checkpoint.about
    if about["bodies"] == 1 and None not in mapping(body.LAYOUT, layout(about["layout"])):
        return generated_clips(replace(pair_config(about["pairs"]), layout=about["layout"]), count)
    few = np.linspace(0, len(test) - 1, min(SELF_TEST_CLIPS, len(test))).astype(np.int64)
    return np.asarray(test[few], np.float16)


def generated_clips(pairs: PairConfig, count: int) -> NDArray[np.float16]:
    """Generated clips (count, C, T, V, 1) for a bundle's self-test.

    Bundles are redistributed, which licences of recorded datasets seldom allow.
    """
    # Generated clips have no second recording. For a run trained on recorded pairs, joints are dropped instead.
    pairs = replace(pairs, poor="auto" if pairs.poor == "recorded" else pairs.poor)
    made = PairDataset(first_test_clips(count, seed=0), pairs, train=False, seed=0)
    return made.batch(np.arange(len(made)))[0].astype(np.float16)


class _LogitsOnly(nn.Module):
    """The network without its feature output, which only distillation needs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clip: Tensor) -> Tensor:
        return self.network(clip)[0]


def write_onnx(network: nn.Module, example: NDArray[np.float32], path: Path) -> None:
    """Export with a dynamic batch and opset 17, and check that the logits are within 1e-4 of PyTorch's.

    example: (N >= 2, C, T, V, M) clips. Raises DataError if they are not.
    """
    whole, clips = _LogitsOnly(network).eval(), torch.from_numpy(example)

    def check(partial: Path) -> None:
        with torch.inference_mode():
            require_close(onnx_logits(partial, example), whole(clips), "network")

    write_network(fuse_motion_stems(whole), (clips,), path, inputs=[INPUT], outputs=[OUTPUT], batch=True, check=check)


def onnx_logits(path: Path, clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (N, K) of an exported network for clips (N, C, T, V, M), computed by the engine that the device uses."""
    with closing(open_engine(path)) as engine:
        return np.concatenate([engine.run({INPUT: clips[i : i + 64]})[OUTPUT] for i in range(0, len(clips), 64)])
