"""INT8 accuracy of a trained row, and its agreement with FP32.

In the form of quantised.py, with percentile ranges of training clips.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.quantised import write_int8
from benchmarks.peers.trainings import Training
from calibrate.calibration_set import stratified
from calibrate.evaluation.compare import logits_of, top1
from calibrate.quantisation.method_choice import evaluation_clips
from edge.bench.accuracy_figures import agreement
from edge.contract.files import write_json
from edge.contract.types import Float32
from edge.engines.onnx_runtime import OnnxRuntimeEngine
from train.checkpoint import load_checkpoint
from train.data.pairs import PairDataset
from train.export.bundle import load_clips, write_onnx

FILE = "int8.json"
SAMPLES = 256
EVERY_NTH = 4
"""Layers are ranked on every fourth of the clips that `calibrate student` ranks them on."""


@dataclass(frozen=True)
class Int8Result:
    """Percent of the test clips. fp32, int8: top-1 of the exported networks. agreement: same decision by both.

    float_layers: number of layers of the INT8 file in floating point.
    """

    fp32: float
    int8: float
    agreement: float
    float_layers: int


def read_int8_result(training: Training) -> Int8Result | None:
    """The result of :func:`measure_int8`, None if it has not run."""
    path = training.out / FILE
    return Int8Result(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def measure_int8(training: Training, data: Path) -> None:
    """Quantise a finished training on its training clips, evaluate both forms on its test clips, write int8.json."""
    checkpoint = load_checkpoint(training.out)
    train, test = load_clips(checkpoint, data)
    see = checkpoint.about["see"]
    drawn = stratified(train.labels, SAMPLES, seed=0)
    calibration, ranking = (
        _clips(train, ids, see) for ids in (drawn, evaluation_clips(len(train), drawn)[::EVERY_NTH])
    )
    clips = _clips(test, np.arange(len(test)), see)
    with tempfile.TemporaryDirectory(prefix="skd-peers-") as folder:
        whole, small = Path(folder) / "network.onnx", Path(folder) / "network.int8.onnx"
        write_onnx(checkpoint.rebuild(training.out), clips[:2], whole)
        float_layers = write_int8(whole, small, calibration, ranking, "percentile")
        fp32, int8 = (_logits(path, clips) for path in (whole, small))
    same = agreement(fp32, int8)
    result = Int8Result(100 * top1(fp32, test.labels), 100 * top1(int8, test.labels), same, float_layers)
    write_json(training.out / FILE, asdict(result))


def _clips(pairs: PairDataset, indices: NDArray[np.int64], see: str) -> Float32:
    low, high, _ = pairs.batch(indices)
    return low if see == "lq" else high


def _logits(path: Path, clips: Float32) -> Float32:
    with closing(OnnxRuntimeEngine(path, threads=1)) as engine:
        return logits_of(engine, clips, path.name)
