"""``python -m train export-stream``: add the streaming form of a student to its bundle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edge.cli.console import console
from edge.contract.bundle import MANIFEST, read_bundle, write_manifest
from edge.contract.errors import ConfigError
from edge.contract.files import require_writable, temporary_folder, write_arrays
from edge.contract.manifest import Manifest
from edge.contract.preprocess import Preprocessing
from train.checkpoint import load_trained
from train.export.bundle import SELF_TEST_CLIPS, load_clips, reference_clips, write_calibration_clips
from train.export.configuration import StreamExportConfig
from train.export.stream_files import export_stream_form
from train.networks.dense_gcn_stream import DenseGcnStream


def export_stream(config: StreamExportConfig) -> None:
    """Write the stream's networks and reference, and update the manifest.

    Raises ConfigError if the run does not fit the bundle.
    """
    checkpoint, manifest = load_trained(config.run), read_bundle(config.bundle).manifest
    network = checkpoint.rebuild(config.run)
    if not isinstance(network, DenseGcnStream) or network.bodies != 1:
        raise ConfigError(
            f"{checkpoint.about['network']} of {checkpoint.about['bodies']} bodies does not stream",
            where=config.run,
            hint="train with --network dense_gcn_stream, on clips of one body",
        )
    train, test = load_clips(checkpoint, config.data, config.cache)
    _require_same_data(config, checkpoint.about, manifest, test.config.preprocessing)
    low, _, labels = test.batch(np.arange(len(test)))
    shown = reference_clips(checkpoint, low, SELF_TEST_CLIPS)
    require_writable(config.bundle / MANIFEST)
    with temporary_folder() as made:
        form = export_stream_form(checkpoint, network, made, low, labels, shown, config.frames)
        former = {path.name for path in config.bundle.glob("stream.*.onnx")} - {path.name for path in made.iterdir()}
        write_manifest(config.bundle, lambda present: replace(present, stream=form), made, former)
    write_calibration_clips(train, config.workdir / "stream_calibration.npz")
    write_arrays(config.workdir / "stream_test.npz", clips=low, labels=labels)
    console.print(f"stream in {config.bundle}: {form.accuracy}")


def _require_same_data(
    config: StreamExportConfig, about: dict[str, Any], manifest: Manifest, preprocessing: Preprocessing
) -> None:
    """Raise ConfigError unless run and bundle have the same classes, joints, bodies, clip length and frame rate."""
    known = manifest.preprocessing
    for what, ours, theirs in (
        ("classes", tuple(about["classes"]), manifest.classes),
        ("joints", about["layout"], manifest.layout),
        ("bodies per clip", about["bodies"], manifest.input_shape[-1]),
        ("frames per clip", preprocessing.length_frames, known.length_frames),
        ("frames per second", preprocessing.fps, known.fps),
    ):
        if ours != theirs:
            raise ConfigError(
                f"{config.run} and {config.bundle} have different {what}: {ours} and {theirs}",
                hint="train the stream on the same data as the bundle's student",
            )
