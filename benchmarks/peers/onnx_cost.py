"""Operations and memory traffic of a network, counted from its ONNX graph.

Multiply-adds are counted in convolutions and matrix products, as two floating point operations each; element-wise
operations (activations, additions, Q/DQ) are assumed to be fused and free. Bytes are counted as if each of these layers
reads its weights and inputs once and writes its output once. Outputs that stay in a cache are moved less, so this is an
upper bound for small networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

COUNTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")


@dataclass(frozen=True)
class LayerCost:
    """One convolution or matrix product. weights, activations: number of elements, not bytes."""

    name: str
    operator: str
    multiply_adds: int
    weights: int
    activations: int


@dataclass(frozen=True)
class NetworkCost:
    """All counted layers of a network, for one run at batch 1."""

    layers: tuple[LayerCost, ...]

    @property
    def operations(self) -> int:
        """Floating point operations: two per multiply-add."""
        return 2 * sum(layer.multiply_adds for layer in self.layers)

    def moved_bytes(self, bytes_each: int) -> int:
        """Bytes moved, if weights and activations have ``bytes_each`` bytes each."""
        return bytes_each * sum(layer.weights + layer.activations for layer in self.layers)


def network_cost(path: Path) -> NetworkCost:
    """Cost of an FP32 ONNX file, with free axes set to 1. Raises ValueError if a shape cannot be inferred."""
    model = onnx.load(path)
    for value in model.graph.input:
        for axis in value.type.tensor_type.shape.dim:
            if not axis.HasField("dim_value"):
                axis.dim_value = 1
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {i.name: list(numpy_helper.to_array(i).shape) for i in inferred.initializer}
    constants = set(shapes)
    for node in inferred.node:
        if node.op_type == "Constant":
            constants.add(node.output[0])
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shapes[value.name] = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
    layers = [_layer(node, shapes, constants) for node in inferred.node if node.op_type in COUNTED]
    return NetworkCost(tuple(layers))


def _layer(node: onnx.NodeProto, shapes: dict[str, list[int]], constants: set[str]) -> LayerCost:
    shown = [_shape(name, shapes, node) for name in (*node.input, *node.output) if name]
    of = dict(zip([name for name in (*node.input, *node.output) if name], shown, strict=True))
    given, weight, made = of[node.input[0]], of[node.input[1]], of[node.output[0]]
    if node.op_type == "Conv":
        each = int(np.prod(weight[1:]))  # elements of a filter: its group's channels times the window
        multiply_adds = _count(made) * each
    elif node.op_type == "ConvTranspose":
        multiply_adds = _count(given) * int(np.prod(weight[1:]))
    else:
        transposed = node.op_type == "Gemm" and any(a.name == "transA" and a.i for a in node.attribute)
        multiply_adds = _count(made) * (given[-2] if transposed else given[-1])
    weights = sum(_count(of[name]) for name in node.input if name in constants)
    activations = sum(_count(of[name]) for name in node.input if name and name not in constants) + _count(made)
    return LayerCost(node.name, node.op_type, multiply_adds, weights, activations)


def _shape(name: str, shapes: dict[str, list[int]], node: onnx.NodeProto) -> list[int]:
    shape = shapes.get(name)
    if shape is None or 0 in shape:
        raise ValueError(f"the shape of {name!r} at {node.op_type} {node.name!r} cannot be inferred")
    return shape


def _count(shape: Sequence[int]) -> int:
    return int(np.prod(shape))
