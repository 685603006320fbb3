"""Quantise FP32 ONNX to INT8 ONNX with explicit Q/DQ, in the form that TensorRT 8.5 to 11 accepts.

Convolutions, Gemm and residual additions are quantised: symmetrically with zero point 0, weights with a scale per
output channel, activations with one per tensor. Biases stay in floating point. Where the Q/DQ pairs go, and by which of
TensorRT's rules, is in :mod:`calibrate.quantisation.qdq_placement`.

Source: "Working with Quantized Types" in the TensorRT documentation; Jacob et al., "Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from calibrate.calibration_set import Method
from calibrate.quantisation.bias_correction import bias_corrected, scales_widened_for_biases
from calibrate.quantisation.compact import compact
from calibrate.quantisation.equalise import equalised
from calibrate.quantisation.onnx_graph import Graph, Sample, copied, feed
from calibrate.quantisation.preparation import prepared
from calibrate.quantisation.qdq_placement import (
    needed_pairs_only,
    pair_per_consumer,
    pairs_before_copies,
    relu_scale_before_relu,
    unquantised_outputs,
    unquantised_sums,
)
from calibrate.quantisation.ranges import activation_ranges
from calibrate.quantisation.relu_by_clipping import relu_for_clip, signed, unsigned_behind_relu
from calibrate.quantisation.weight_fit import fitted
from calibrate.tensorrt.rules import violations
from edge.contract.errors import EngineError
from edge.contract.files import atomic_write, temporary_folder
from edge.engines.onnx_runtime import OnnxRuntimeEngine

OPERATORS = ["Conv", "Gemm", "Add"]


class Quantiser:
    """Prepares and calibrates a network once, then makes INT8 networks with any layers left in floating point.

    source: FP32 ONNX. samples: arrays of the input's shape and dtype, batch 1, such as the device will give; for a
        network with several inputs, arrays by input name. At least one, and all finite.
    method: how an activation's range is chosen, see :mod:`calibrate.quantisation.ranges`.
    fit_weights: fit weights to the layers' INT8 inputs (:mod:`calibrate.quantisation.weight_fit`) instead of rounding
        them to nearest.
    concat_in_int8: quantise the inputs of a concatenation, once for all readers, instead of its output.
    layers: names of the Convs and Gemms with constant weights, in the order they run; the others stay in floating
        point.

    Raises EngineError for a network that cannot be read, is already quantised, has no layers, or does not accept the
    first sample.
    """

    def __init__(
        self,
        source: Path,
        samples: Sequence[Sample],
        method: Method,
        *,
        fit_weights: bool = False,
        concat_in_int8: bool = True,
    ) -> None:
        self._fit_weights = fit_weights
        self._concat_in_int8 = concat_in_int8
        engine = OnnxRuntimeEngine(source, threads=1)
        _check(samples[0], engine)
        self.source, self.samples, self.method = source, samples, method
        with temporary_folder() as folder, _quiet():
            self.model = equalised(prepared(source, folder), samples)
            graph = Graph(self.model)
            products = graph.nodes("Conv", "Gemm")
            self.layers = [n.name for n in products if n.input[1] in graph.constants]
            self._without_weights = {n.name for n in products} - set(self.layers)
            if not self.layers:
                raise EngineError("has neither a convolution nor a Gemm with constant FP32 weights", where=source)
            network = folder / "equalised.onnx"
            onnx.save(self.model, str(network))
            self._ranges = activation_ranges(network, OPERATORS, method, [i.name for i in engine.inputs], samples)

    def quantised(self, float_layers: Sequence[str], samples: Sequence[Sample]) -> onnx.ModelProto:
        """Return the network in INT8 except for ``float_layers``, weights and biases fitted to these samples."""
        if not self._fit_weights:
            return self.rounded(float_layers, samples)
        return self._finished(fitted(self._with_pairs(float_layers), self.model, samples))

    def rounded(self, float_layers: Sequence[str], samples: Sequence[Sample]) -> onnx.ModelProto:
        """Return the same with weights rounded to nearest and biases corrected, which is fast."""
        return self._finished(bias_corrected(self._with_pairs(float_layers), self.model, samples))

    def _with_pairs(self, float_layers: Sequence[str]) -> onnx.ModelProto:
        """Return the network with Q/DQ pairs, one per tensor, shared by all its readers."""
        in_float = self._without_weights | set(float_layers)
        with _quiet():
            quantizer = QDQQuantizer(
                copied(self.model),
                per_channel=True,
                reduce_range=False,
                weight_qType=QuantType.QInt8,
                activation_qType=QuantType.QInt8,
                tensors_range=self._ranges,
                nodes_to_quantize=[],
                nodes_to_exclude=[*in_float, *_float_additions(self.model, in_float)],
                op_types_to_quantize=OPERATORS,
                extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
            )
            quantizer.quantize_model()
            quantizer.model.topological_sort()
        model = needed_pairs_only(unquantised_outputs(relu_for_clip(quantizer.model.model)))
        if self._concat_in_int8:
            model = pairs_before_copies(model)
        return unsigned_behind_relu(relu_scale_before_relu(unquantised_sums(model)))

    @staticmethod
    def _finished(model: onnx.ModelProto) -> onnx.ModelProto:
        return pair_per_consumer(scales_widened_for_biases(signed(model)))

    def write(self, out: Path, float_layers: Sequence[str] = ()) -> dict[str, float]:
        """Quantise and write the network, so that no file is incomplete; see ``save``."""
        model = self.quantised(float_layers, self.samples)
        with atomic_write(out) as partial:
            return self.save(model, partial)

    def save(self, model: onnx.ModelProto, out: Path) -> dict[str, float]:
        """Check and write an INT8 network made from this one.

        Returns the range of every quantised activation: tensor -> r, where INT8 covers [-r, r].
        """
        if found := violations(model):
            raise EngineError(f"cannot be quantised as TensorRT requires: {found[0]}", where=self.source)
        compacted = compact(model)
        onnx.checker.check_model(compacted, full_check=True)
        onnx.save(compacted, str(out))
        graph = Graph(model)
        return {n.input[0]: 127 * float(graph.constants[n.input[1]]) for n in graph.nodes("QuantizeLinear")}


def _check(sample: Sample, engine: OnnxRuntimeEngine) -> None:
    names = [i.name for i in engine.inputs]
    if not isinstance(sample, Mapping) and len(names) > 1:
        raise EngineError(f"has {len(names)} inputs, a sample has one", where=engine.describe())
    if not all(np.isfinite(array).all() for array in engine.run(feed(names, sample)).values()):
        raise EngineError("returns NaN or infinite values", where=engine.describe(), hint="export it again")


def _float_additions(model: onnx.ModelProto, float_layers: set[str]) -> list[str]:
    """Names of the Adds of a constant, which are not residuals, and of those behind a float layer, which fuses them."""
    graph = Graph(model)
    found = []
    for node in graph.nodes("Add"):
        producers = {graph.producer[name].name for name in node.input if name in graph.producer}
        if set(node.input) & set(graph.constants) or float_layers & producers:
            found.append(node.name)
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress ONNX Runtime's progress on stdout, which is reserved for data, and log advice that does not apply."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.root.setLevel(level)
