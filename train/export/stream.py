"""``python -m train export-stream``: the streaming form of a student, added to the bundle of its clip form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edge.cli.console import console
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import ConfigError
from edge.contract.files import write_arrays
from edge.contract.manifest import Manifest
from edge.contract.preprocess import Preprocessing
from train.checkpoint import load_trained
from train.export.bundle import FEW_CLIPS, clips_of, reference_clips, save_clips
from train.export.configuration import StreamExportConfig
from train.export.stream_files import stream_form
from train.networks.dense_gcn_stream import DenseGcnStream


def export_stream(config: StreamExportConfig) -> None:
    """Write the stream's networks, their reference and the manifest anew.

    Raises ConfigError for a run that does not fit.
    """
    checkpoint, manifest = load_trained(config.run), read_bundle(config.bundle).manifest
    network = checkpoint.rebuild(config.run)
    if not isinstance(network, DenseGcnStream) or network.bodies != 1:
        raise ConfigError(
            f"{config.run}: {checkpoint.about['network']} of {checkpoint.about['bodies']} bodies does not stream",
            hint="train with --network dense_gcn_stream, on clips of one body",
        )
    train, test = clips_of(checkpoint, config.data, config.cache)
    _refuse_foreign(config, checkpoint.about, manifest, test.config.preprocessing)
    low, _, labels = test.batch(np.arange(len(test)))
    shown = reference_clips(checkpoint, low, FEW_CLIPS)
    form = stream_form(checkpoint, network, config.bundle, low, labels, shown, config.frames)
    write_manifest(config.bundle, replace(manifest, stream=form))
    save_clips(train, config.workdir / "stream_calibration.npz")
    write_arrays(config.workdir / "stream_test.npz", clips=low, labels=labels)
    console.print(f"stream in {config.bundle}: {form.accuracy}")


def _refuse_foreign(config: StreamExportConfig, about: dict[str, Any], manifest: Manifest, how: Preprocessing) -> None:
    given = (tuple(about["classes"]), about["layout"], how.length_frames, how.fps)
    how = manifest.preprocessing
    wanted = (manifest.classes, manifest.layout, how.length_frames, how.fps)
    for what, one, other in zip(
        ("classes", "joints", "frames of a clip", "frames a second"), given, wanted, strict=True
    ):
        if one != other:
            raise ConfigError(
                f"{config.run} and {config.bundle} have different {what}: {one} and {other}",
                hint="train the stream on what the bundle's student was trained on",
            )
