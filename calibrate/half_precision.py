"""An FP32 network in half precision, for TensorRT 11 and later, where types live in the ONNX file alone."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from calibrate.onnx_graph import copied
from edge.contract.errors import EngineError

LARGEST = 65504.0
"""Of half precision; weights beyond are clipped."""


def in_half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with float weights and activations in half precision; its inputs and outputs keep their types.

    Raises EngineError for a network with Q/DQ: up to operator set 18 their scales are float.
    """
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise EngineError("a quantised network has no half-precision form", hint="give the FP32 network")
    result = copied(model)
    graph = result.graph
    for initializer in graph.initializer:
        if initializer.data_type == TensorProto.FLOAT:
            array = np.clip(numpy_helper.to_array(initializer), -LARGEST, LARGEST).astype(np.float16)
            initializer.CopyFrom(numpy_helper.from_array(array, initializer.name))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            if attribute.name == "value" and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float16)))
    constants = {i.name for i in graph.initializer}
    before, after = [], []
    for value in graph.input:
        if value.name not in constants and value.type.tensor_type.elem_type == TensorProto.FLOAT:
            half = f"{value.name}.half"
            _rename(graph, value.name, half)
            before.append(helper.make_node("Cast", [value.name], [half], name=half, to=TensorProto.FLOAT16))
    for value in graph.output:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            half = f"{value.name}.half"
            _rename(graph, value.name, half)
            name = f"{value.name}.float"
            after.append(helper.make_node("Cast", [half], [value.name], name=name, to=TensorProto.FLOAT))
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    # They state types of before.
    del graph.value_info[:]
    return result


def _rename(graph: onnx.GraphProto, name: str, to: str) -> None:
    for node in graph.node:
        node.input[:] = [to if n == name else n for n in node.input]
        node.output[:] = [to if n == name else n for n in node.output]
