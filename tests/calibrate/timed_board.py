"""A board with a fake driver and clock, on which engines of each precision take a known time."""

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_bundle

from calibrate.quantisation.quantise import Quantiser
from calibrate.tensorrt.engine_builder import BuildOptions, build_engine
from edge.contract.bundle import read_bundle, write_manifest
from edge.engines.engine_manifest import EngineManifest

SECONDS = {"fp32": 0.006, "fp16": 0.001, "int8": 0.003}
GPU_MS = {"fp32": 5.25, "fp16": 0.75, "int8": 2.5}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with a quantised INT8 student, whose stored logits are means of the first channel."""
    folder = tiny_bundle.make(tmp_path / "bundle")
    stored = read_bundle(folder).reference()
    samples = [stored["clips"][i : i + 1] for i in range(4)]
    Quantiser(folder / "student.onnx", samples, "minmax").write(folder / "student.int8.onnx")
    np.savez(folder / "reference.npz", clips=stored["clips"], logits=decide(stored["clips"]))
    write_manifest(folder, read_bundle(folder).manifest)
    return folder


def decide(clips: np.ndarray) -> np.ndarray:
    return np.stack([clips[:, 0, t].mean((1, 2)) for t in range(len(tiny_bundle.CLASSES))], axis=1)


def precision_of(flags: set[str]) -> str:
    return "int8" if "INT8" in flags else "fp16" if "FP16" in flags else "fp32"


@pytest.fixture
def timed_board(board, monkeypatch: pytest.MonkeyPatch):
    """A board with a fake clock for the time of each precision; precisions in ``wrong`` negate their logits."""
    clock = [0.0]

    def put(wrong: set[str] = frozenset(), version: str = "10.3.0", overflows: str = "", **options: Any) -> ModuleType:
        def compute(flags: set[str], clips: np.ndarray) -> np.ndarray:
            precision, logits = precision_of(flags), decide(clips)
            clock[0] += SECONDS[precision]
            if precision == overflows:  # where NaN is the same decision
                logits[logits.argmax(1) == 0] = np.nan
            return -logits if precision in wrong else logits

        return board(
            version,
            shape=(-1, 3, 32, 13, 1),
            compute=compute,
            kernel_ms=lambda flags, batch: GPU_MS[precision_of(flags)] * batch,
            **options,
        )

    monkeypatch.setattr("calibrate.tensorrt.best_engine.ROUNDS", 3)
    clock_alone = SimpleNamespace(perf_counter=lambda: clock[0], sleep=lambda seconds: None)
    monkeypatch.setattr("calibrate.evaluation.compare.time", clock_alone)
    return put


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The precisions of the engines that are built, in order."""
    precisions: list[str] = []

    def recorded(source: Path, out: Path, options: BuildOptions, *rest: Path) -> EngineManifest:
        precisions.append(options.precision)
        return build_engine(source, out, options, *rest)

    monkeypatch.setattr("calibrate.tensorrt.best_engine.build_engine", recorded)
    return precisions
