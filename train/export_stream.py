"""A trained DenseGCN as the ONNX files of a stream, see :mod:`edge.streaming.network`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch

from edge.contract.errors import DataError
from edge.contract.files import replacing
from edge.contract.types import Float32
from edge.streaming.network import FRAME, LOGITS, NEXT, open_stream, stream_file
from train.export import OPSET, TOLERANCE, quiet_exporter
from train.networks.dense_gcn import DenseGcn
from train.networks.dense_gcn_stream import CYCLE_FRAMES, StreamStep


def write_stream(network: DenseGcn, clip: Float32, folder: Path, *, frames: int = 1) -> list[Path]:
    """Export the steps of a network of one body in opset 17, static shapes, and run a clip through them.

    clip: (1, C, T, V, 1). frames: new frames a step; with 4 one network does it all.
    Raises DataError where the exported networks' logits differ from PyTorch's by more than 1e-4.
    """
    written = []
    for due in [d for d in (1, 2, CYCLE_FRAMES) if d % frames == 0]:
        # Frame number `due` of a cycle is its own first frame that runs to this depth.
        step = StreamStep(network, window=clip.shape[2] // CYCLE_FRAMES, frames=frames, phase=due - frames).eval()
        written.append(folder / stream_file(due))
        _write(step, clip[:, :, :frames], written[-1])
    _compare(network, clip, folder)
    return written


def _write(step: StreamStep, frame: Float32, path: Path) -> None:
    names = step.state_names
    outputs = [*([LOGITS] if step.answers else []), *(name + NEXT for name in names)]
    with replacing(path) as partial, quiet_exporter():
        torch.onnx.export(
            step,
            (torch.from_numpy(frame), step.fresh()),
            partial,
            input_names=[FRAME, *names],
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(partial)
        onnx.checker.check_model(model, full_check=True)
        (opset,) = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
        if opset != OPSET:
            raise DataError(f"the exporter wrote opset {opset}, TensorRT 8.5 reads {OPSET}", where=path)


def _compare(network: DenseGcn, clip: Float32, folder: Path) -> None:
    """Two clips' length, so that what falls out of the states is seen too."""
    stream, torch_states = open_stream(folder, threads=1), None
    step = StreamStep(network, window=clip.shape[2] // CYCLE_FRAMES, frames=CYCLE_FRAMES).eval()
    person, torch_states = stream.fresh(), step.fresh()
    long = np.concatenate([clip, clip[:, :, ::-1]], axis=2)
    for start in range(0, long.shape[2] - CYCLE_FRAMES + 1, CYCLE_FRAMES):
        chunk = np.ascontiguousarray(long[:, :, start : start + CYCLE_FRAMES])
        for first in range(0, CYCLE_FRAMES, stream.frames):
            given = stream.step(person, np.ascontiguousarray(chunk[:, :, first : first + stream.frames]))
        with torch.inference_mode():
            (expected,), torch_states = step(torch.from_numpy(chunk), torch_states)
        error = float(np.abs(given - expected[0].numpy()).max()) if given is not None else float("nan")
        if not error <= TOLERANCE * max(1.0, float(expected.abs().max())):
            raise DataError(f"the exported stream differs from PyTorch by {error:g}", where=folder)
    stream.close()
