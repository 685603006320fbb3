"""Prepare an FP32 network for quantisation: the same function, in the form that the later steps expect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from onnxruntime.quantization.shape_inference import quant_pre_process

from calibrate.quantisation.onnx_graph import Graph, at_least_opset, attributes, copied, is_quantised, set_nodes, valid
from calibrate.quantisation.transposed_convolution import as_convolutions
from edge.contract.errors import EngineError

PER_CHANNEL_OPSET = 13
"""The first opset whose Q/DQ have per-channel scales."""


def prepared(source: Path, folder: Path) -> onnx.ModelProto:
    """Read a network; every node gets a name and every layer its own parameters, and shapes are inferred.

    folder: for temporary files. Raises EngineError for a network that cannot be read or is already quantised.
    """
    model = at_least_opset(valid(source), PER_CHANNEL_OPSET, "export it in opset 17")
    if is_quantised(model):
        raise EngineError("is already quantised", where=source, hint="give the FP32 network")
    path = folder / "prepared.onnx"
    onnx.save(model, str(path))
    # It folds BatchNorm into convolutions. Its symbolic inference of shapes would import PyTorch, which takes seconds.
    quant_pre_process(str(path), str(path), skip_symbolic_shape=True)
    model = _named(onnx.load(path))
    graph = Graph(model)
    if fixed := graph.outputs - graph.producer.keys():
        raise EngineError(f"output {min(fixed)} is a constant or an input", where=source, hint="export it without that")
    model = with_kernel_shapes(with_own_parameters(as_convolutions(split_addends(with_vector_biases(model)))))
    return onnx.shape_inference.infer_shapes(model)


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    # Layers are identified by name, which exporters may omit.
    for position, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{position}"
        while node.input and not node.input[-1]:
            node.input.pop()  # an empty name stands for an absent bias
    return model


def with_vector_biases(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write each constant addend of a Gemm as its bias (N,), with beta in it; one with several rows keeps its shape.

    ONNX also allows a single number and (1, N), and multiplies them by beta. ONNX Runtime's quantiser fails on these
    shapes, and sets beta to 1 without regard to the values.
    """
    result = copied(model)
    graph = Graph(result)
    for node in graph.nodes("Gemm"):
        weight, addend = (graph.constants.get(name) for name in [*node.input[1:], ""][:2])
        if weight is None or addend is None:
            continue
        stated = attributes(node)
        beta, columns = stated.get("beta", 1.0), weight.shape[0 if stated.get("transB") else 1]
        if beta == 1 and addend.shape == (columns,):
            continue
        rows = beta * np.atleast_2d(addend)
        node.input[2] = f"{node.input[2]}.{node.name}"
        graph.set_constant(node.input[2], rows if len(rows) > 1 else np.broadcast_to(rows[0], columns))
        for attribute in node.attribute:
            if attribute.name == "beta":
                attribute.f = 1.0
    return result


def split_addends(model: onnx.ModelProto) -> onnx.ModelProto:
    """Split each Gemm whose addend is computed or has several rows into a product and an addition.

    In INT8 a computed addend would need the product's scale, in int32, so ONNX Runtime leaves such a Gemm in floating
    point; its quantiser fails on several rows. A Gemm that scales a computed addend is left alone.
    """
    result = copied(model)
    graph = Graph(result)
    nodes: list[onnx.NodeProto] = []
    for node in result.graph.node:
        nodes.append(node)
        if node.op_type != "Gemm" or len(node.input) < 3 or attributes(node).get("beta", 1) != 1:
            continue
        constant = graph.constants.get(node.input[2])
        if constant is not None and constant.ndim < 2:
            continue
        product, addend = f"{node.output[0]}.product", node.input.pop()
        total = node.output[0]
        node.output[0] = product
        nodes.append(helper.make_node("Add", [product, addend], [total], name=f"{node.name}.addition"))
    set_nodes(result, nodes)
    return result


def with_own_parameters(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy each constant of a Conv or Gemm that another node reads too, so that every layer has its own.

    Later steps change parameters layer by layer: channels are equalised, weights are fitted to the layer's own inputs,
    biases take up its own error. A shared constant would be changed once for each reader, and a float layer would read
    the INT8 layer's weights. The cost is size: a weight that n layers share is stored n times.
    """
    result = copied(model)
    graph = Graph(result)
    layers = graph.nodes("Conv", "Gemm")
    taken = {name for node in result.graph.node if node not in layers for name in node.input}
    for node in layers:
        for position, name in enumerate(node.input):
            if name in graph.constants and name in taken:
                node.input[position] = f"{name}.{node.name}"
                graph.set_constant(node.input[position], graph.constants[name])
            taken.add(name)
    return result


def with_kernel_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write each convolution's kernel size as an attribute. model: with shapes inferred.

    In ONNX the attribute ``kernel_shape`` is optional, because the weights have that shape. Before 10.4 TensorRT reads
    it from constant weights only, and refuses a Conv without the attribute if its weights are computed, as they are
    behind a DequantizeLinear. A ConvTranspose needs no attribute.
    """
    result = copied(model)
    graph = Graph(result)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in result.graph.value_info}
    shapes |= {name: list(array.shape) for name, array in graph.constants.items()}
    for node in graph.nodes("Conv"):
        kernel = shapes.get(node.input[1], [])[2:]
        if kernel and all(kernel) and "kernel_shape" not in attributes(node):
            node.attribute.append(helper.make_attribute("kernel_shape", kernel))
    return result
