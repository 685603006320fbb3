"""Convert an ONNX network to half precision, for TensorRT 11 and later, whose networks are strongly typed.

Up to TensorRT 10 a builder flag lets kernels compute in half precision, including the layers of an INT8 network that
are not quantised.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from calibrate.quantisation.onnx_graph import (
    Array,
    Graph,
    along_channels,
    at_least_opset,
    copied,
    is_quantised,
    rename_tensors,
    set_nodes,
    with_initializers,
)
from edge.contract.errors import EngineError

LARGEST = 65504.0
"""Largest half-precision number; weights beyond it are clipped."""
SMALLEST = 2.0**-14
"""Smallest normal half-precision number; below it precision is lost."""

HALF_SCALES_OPSET = 19
"""The first operator set in which Q/DQ nodes take and give half precision."""
HINT = "choose fp16 or fp32"


def to_half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with float weights and activations in half precision; inputs and outputs keep their types.

    Quantised tensors stay quantised, with scales in half precision. Raises EngineError if an activation's scale would
    become 0, or if the network cannot be converted to operator set 19.
    """
    result = with_initializers(model)
    if is_quantised(result):
        result = _with_half_scales(result)
    graph = result.graph
    # The scales of a Resize are single precision in every operator set.
    scales = {name for node in graph.node if node.op_type == "Resize" for name in node.input[1:]}
    for initializer in graph.initializer:
        if initializer.data_type == TensorProto.FLOAT and initializer.name not in scales:
            half = _half(numpy_helper.to_array(initializer))
            initializer.CopyFrom(numpy_helper.from_array(half, initializer.name))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            if attribute.name == "value" and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(_half(numpy_helper.to_array(attribute.t))))
    # Older exporters list constants as inputs too, with the type they had.
    for value in [v for v in graph.input if v.name in {i.name for i in graph.initializer}]:
        graph.input.remove(value)
    before, after = [], []
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            inner = f"{value.name}.half"
            rename_tensors(graph.node, {value.name: inner})
            before.append(helper.make_node("Cast", [value.name], [inner], name=inner, to=TensorProto.FLOAT16))
    for value in graph.output:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            inner = f"{value.name}.half"
            rename_tensors(graph.node, {value.name: inner})
            name = f"{value.name}.float"
            after.append(helper.make_node("Cast", [inner], [value.name], name=name, to=TensorProto.FLOAT))
    set_nodes(result, [*before, *graph.node, *after])
    # The value infos of intermediate tensors state single precision.
    del graph.value_info[:]
    return result


def _half(array: Array) -> Array:
    result: Array = np.clip(array, -LARGEST, LARGEST).astype(np.float16)
    return result


def _with_half_scales(model: onnx.ModelProto) -> onnx.ModelProto:
    model = _requantised_with_larger_scales(model)
    scales = {name for n in model.graph.node if n.op_type == "QuantizeLinear" for name in n.input[1:2]}
    for initializer in model.graph.initializer:
        if initializer.name in scales and (numpy_helper.to_array(initializer).astype(np.float16) == 0).any():
            raise EngineError(f"the scale {initializer.name} is too small for half precision", hint=HINT)
    return at_least_opset(model, HALF_SCALES_OPSET, HINT)


def _requantised_with_larger_scales(model: onnx.ModelProto) -> onnx.ModelProto:
    """Requantise weights whose scale is too small for half precision with the next larger scale that it can hold.

    A channel of nearly zero weights has such a scale, and TensorRT refuses a scale that has become 0.
    """
    result = copied(model)
    graph, constants = Graph(result), Graph(model).constants
    for node in graph.nodes("DequantizeLinear"):
        if not set(node.input) <= constants.keys() or not (constants[node.input[1]] < SMALLEST).any():
            continue
        weight, scale = constants[node.input[0]], constants[node.input[1]].astype(np.float64)
        half = scale.astype(np.float16)
        larger = np.where(half < scale, np.nextafter(half, np.float16(np.inf)), half).astype(np.float64)
        new_scale = np.where(scale < SMALLEST, larger, scale)
        graph.set_constant(node.input[0], np.round(weight * along_channels(scale / new_scale, node, weight)))
        graph.set_constant(node.input[1], new_scale)
    return result
