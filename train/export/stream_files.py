"""Export a trained DenseGCN as the ONNX files of a stream, see :mod:`edge.recognition.streaming.network`."""

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
from edge.recognition.streaming.network import FRAME, LOGITS, NEXT, PERIODS, open_stream, stream_file
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
    frames: int = TOTAL_STRIDE,
) -> StreamForm:
    """Write the networks of a stream into an empty folder, with reference logits for the clips ``shown``.

    clips, labels: (N, C, T, V, 1) and (N,), to measure the accuracy on, each clip from fresh states. frames: new frames
    per step. Returns the stream's entry for the manifest.
    """
    write_stream(network, clips[:1], folder, frames=frames)
    stream = open_stream(folder, threads=1)
    result = accuracy(stream.logits(clips), labels)
    write_arrays(folder / STREAM_REFERENCE, clips=shown, logits=stream.logits(shown.astype(np.float32)))
    stream.close()
    how, measured = Preprocessing(**checkpoint.about["pairs"]["preprocessing"]), result.summary()
    return StreamForm(how, checkpoint.training_summary(), {"test_clips": len(labels), "fp32": measured})


def write_stream(network: DenseGcn, clip: Float32, folder: Path, *, frames: int = TOTAL_STRIDE) -> list[Path]:
    """Export the steps of a network of one body in opset 17 with static shapes, and compare them with PyTorch.

    clip: (1, C, T, V, 1), for the comparison. frames: new frames per step. With 4 there is one network. With fewer
    there is one per depth, and a cycle's work is spread over its frames; the logits are the same at the same times, but
    cost more.
    Raises DataError if their logits differ from PyTorch's by more than 1e-4.
    """
    written = []
    for period in [d for d in PERIODS if d % frames == 0]:
        # Frame number `period` is the first of a cycle that runs to this depth.
        step = StreamStep(network, window=clip.shape[2] // TOTAL_STRIDE, frames=frames, phase=period - frames)
        names = [*step.state_shapes]
        outputs = [*([LOGITS] if step.has_logits else []), *(name + NEXT for name in names)]
        example = torch.from_numpy(clip[:, :, :frames]), step.initial_states()
        written.append(folder / stream_file(period))
        write_network(step, example, written[-1], inputs=[FRAME, *names], outputs=outputs)
    _compare(network, clip, folder)
    return written


def _compare(network: DenseGcn, clip: Float32, folder: Path) -> None:
    """Compare over twice a clip's length, so that frames also leave the states."""
    stream = open_stream(folder, threads=1)
    step = StreamStep(network, window=clip.shape[2] // TOTAL_STRIDE, frames=TOTAL_STRIDE)
    person, torch_states = stream.new_stream(), step.initial_states()
    long = np.concatenate([clip, clip[:, :, ::-1]], axis=2)
    for start in range(0, long.shape[2], TOTAL_STRIDE):
        chunk = np.ascontiguousarray(long[:, :, start : start + TOTAL_STRIDE])
        for first in range(0, TOTAL_STRIDE, stream.frames):
            given = stream.step(person, np.ascontiguousarray(chunk[:, :, first : first + stream.frames]))
        with torch.inference_mode():
            (expected,), torch_states = step(torch.from_numpy(chunk), torch_states)
        require_close(None if given is None else given[None], expected, "stream")
    stream.close()
