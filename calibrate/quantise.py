"""FP32 ONNX to INT8 ONNX with explicit Q/DQ, in the form that every TensorRT from 8.5 to 11 takes.

Symmetric everywhere with zero point 0, weights per output channel, activations per tensor, biases left in
floating point. Convolutions, Gemm and residual additions are quantised; a product with the graph's
adjacency stays as it is: it is small, and sums of many joints lose most in eight bits.

Source: NVIDIA, "Working with Quantized Types" in the TensorRT documentation; Jacob et al., "Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.progress import track

from calibrate.quantised_outputs import outputs_in_float
from calibrate.tensorrt_rules import violations
from edge.command_line import console
from edge.contract.errors import DataError, EngineError
from edge.contract.files import replacing
from edge.engines.engine import check_inputs
from edge.engines.onnx_runtime import OnnxRuntimeEngine

Method = Literal["minmax", "percentile", "entropy"]

OPERATORS = ["Conv", "Gemm", "Add"]
PERCENTILE = 99.99
_METHODS: dict[str, tuple[CalibrationMethod, dict[str, Any]]] = {
    "minmax": (CalibrationMethod.MinMax, {"symmetric": True}),
    "percentile": (CalibrationMethod.Percentile, {"symmetric": True, "percentile": PERCENTILE}),
    # ONNX Runtime's default of 128 bins for 128 levels leaves the search one candidate, the maximum itself.
    "entropy": (CalibrationMethod.Entropy, {"num_bins": 2048, "num_quantized_bins": 128}),
}


def quantise(source: Path, out: Path, samples: Iterable[NDArray[Any]], *, method: Method) -> dict[str, float]:
    """Write ``source`` (FP32 ONNX with one input) as Q/DQ INT8 to ``out``; nothing is written on failure.

    samples: arrays of the input's shape and dtype, such as the network will see on the device. They are
        taken one by one, so that memory does not grow with their number.
    method: how an activation's range is chosen: its maximum, its 99.99th percentile, or the threshold of
        least Kullback-Leibler divergence.

    Returns the range of every quantised activation: tensor -> r, where [-r, r] is covered.
    Raises DataError for samples that are none or not finite, EngineError for a network that cannot be
    read, is quantised already, or does not take the samples.
    """
    engine = OnnxRuntimeEngine(source, threads=1)
    if len(engine.inputs) != 1:
        raise EngineError(f"has {len(engine.inputs)} inputs; calibration knows how to feed one", where=source)
    if any(n.op_type == "QuantizeLinear" for n in onnx.load(source).graph.node):
        raise EngineError("is quantised already", where=source, hint="give the FP32 network")
    checked = _checked(samples, engine)
    with tempfile.TemporaryDirectory(prefix="skd-quantise-") as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        # Folds BatchNorm into convolutions and writes down every shape; ranges are those of the folded network.
        quant_pre_process(str(source), str(prepared))
        total = len(samples) if isinstance(samples, Sized) else None
        ranges = _ranges(prepared, checked, total, engine.inputs[0].name, method)
        model = onnx.load(prepared)
        excluded = _additions_of_constants(model)
        quantizer = QDQQuantizer(
            model, True, False, QuantType.QInt8, QuantType.QInt8, ranges, [], excluded, OPERATORS, _SYMMETRIC
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    quantised = outputs_in_float(quantizer.model.model)
    _keep_used_opsets(quantised)
    if found := violations(quantised):
        raise EngineError(f"cannot be quantised as TensorRT needs it: {found[0]}", where=source)
    onnx.checker.check_model(quantised, full_check=True)
    with replacing(out) as partial:
        onnx.save(quantised, str(partial))
    return activation_ranges(quantised)


_SYMMETRIC = {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False}


def activation_ranges(model: onnx.ModelProto) -> dict[str, float]:
    """Tensor -> r for every activation that a QuantizeLinear turns into eight bits of [-r, r]."""
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    return {n.input[0]: 127 * float(constants[n.input[1]]) for n in model.graph.node if n.op_type == "QuantizeLinear"}


def _checked(samples: Iterable[NDArray[Any]], engine: OnnxRuntimeEngine) -> Iterator[NDArray[Any]]:
    count = 0
    for count, sample in enumerate(samples, start=1):
        check_inputs(engine.inputs, {engine.inputs[0].name: sample}, "calibration")
        if not np.isfinite(sample).all():
            raise DataError(f"calibration sample {count - 1} holds NaN or infinite values", hint="leave it out")
        yield sample
    if count == 0:
        raise DataError("there are no calibration samples", hint="give some hundred of what the device will see")


def _ranges(prepared: Path, samples: Iterator[NDArray[Any]], total: int | None, name: str, method: Method) -> Any:
    how, options = _METHODS[method]
    calibrator = create_calibrator(
        prepared, OPERATORS, str(prepared.with_name("augmented.onnx")), calibrate_method=how, extra_options=options
    )
    shown = track(samples, f"calibrating ({method})", console=console, total=total)
    for sample in shown:
        calibrator.collect_data(_One({name: sample}))
    return calibrator.compute_data()


class _One(CalibrationDataReader):  # type: ignore[misc]
    """A calibration set of one sample: the calibrator keeps all activations of a set in memory at once."""

    def __init__(self, feed: dict[str, NDArray[Any]]) -> None:
        self._feeds = iter([feed])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._feeds, None)


def _additions_of_constants(model: onnx.ModelProto) -> list[str]:
    """Names of the Add nodes that are no residuals."""
    constants = {i.name for i in model.graph.initializer}
    return [n.name for n in model.graph.node if n.op_type == "Add" and constants.intersection(n.input)]


def _keep_used_opsets(model: onnx.ModelProto) -> None:
    # ONNX Runtime's optimiser declares its own operator sets whether they are used or not.
    used = {n.domain for n in model.graph.node}
    kept = [o for o in model.opset_import if o.domain in used or o.domain == ""]
    del model.opset_import[:]
    model.opset_import.extend(kept)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime prints its progress to stdout, which is for data, and logs advice that does not apply."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.root.setLevel(level)
