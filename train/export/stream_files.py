"""Export a trained DenseGCN as the ONNX file of a stream, see :mod:`edge.recognition.streaming.network`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge.contract.bundle import STREAM_REFERENCE
from edge.contract.files import write_arrays
from edge.contract.manifest import StreamForm
from edge.contract.preprocess import Preprocessing
from edge.contract.types import Float32
from edge.recognition.streaming.network import FRAME, LOGITS, NEXT, STREAMS, open_stream, steps
from train.checkpoint import Checkpoint
from train.evaluate import accuracy
from train.export.onnx_file import require_close, write_network
from train.networks.dense_gcn import DenseGcn
from train.networks.dense_gcn_stream import TOTAL_STRIDE, DenseGcnStream
from train.networks.stream_step import StreamStep


def export_stream_form(
    checkpoint: Checkpoint,
    network: DenseGcnStream,
    folder: Path,
    clips: Float32,
    labels: NDArray[np.int64],
    shown: NDArray[np.float16],
) -> StreamForm:
    """Write the network of a stream into a bundle folder, with reference logits for the clips ``shown``.

    clips, labels: (N, C, T, V, 1) and (N,), to measure the accuracy on, each clip from fresh states. Returns the
    stream's entry for the manifest.
    """
    write_stream(network, clips[:1], folder)
    stream = open_stream(folder, threads=1)
    result = accuracy(stream.logits(clips), labels)
    write_arrays(folder / STREAM_REFERENCE, clips=shown, logits=stream.logits(shown.astype(np.float32)))
    stream.close()
    how, measured = Preprocessing(**checkpoint.about["pairs"]["preprocessing"]), result.summary()
    return StreamForm(how, checkpoint.training_summary(), {"test_clips": len(labels), "fp32": measured})


def write_stream(network: DenseGcn, clip: Float32, folder: Path) -> Path:
    """Export the step of a network of one body in opset 17 with static shapes, and compare it with PyTorch.

    clip: (1, C, T, V, 1), for the comparison. Networks of another stream in the folder are removed, also in INT8.
    Raises DataError if the exported network's logits differ from PyTorch's by more than 1e-4.
    """
    step, path = _step(network, clip), folder / STREAMS["fp32"]
    names = [*step.state_shapes]
    example = torch.from_numpy(clip[:, :, :TOTAL_STRIDE]), step.initial_states()
    outputs = [LOGITS, *(name + NEXT for name in names)]
    write_network(step, example, path, inputs=[FRAME, *names], outputs=outputs)
    for former in folder.glob("stream.*.onnx"):
        if former != path:
            former.unlink()
    _compare(network, clip, folder)
    return path


def _step(network: DenseGcn, clip: Float32) -> StreamStep:
    return StreamStep(network, window=clip.shape[2] // TOTAL_STRIDE).eval()


def _compare(network: DenseGcn, clip: Float32, folder: Path) -> None:
    """Compare over twice a clip's length, so that frames also leave the states."""
    stream, step = open_stream(folder, threads=1), _step(network, clip)
    person, torch_states = stream.new_stream(), step.initial_states()
    for chunk in steps(np.concatenate([clip, clip[:, :, ::-1]], axis=2)[0]):
        given = stream.step(person, chunk)
        with torch.inference_mode():
            expected, torch_states = step(torch.from_numpy(chunk), torch_states)
        require_close(given[None], expected, "stream", folder)
    stream.close()
