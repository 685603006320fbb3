"""An INT8 student as ``python -m calibrate student`` wrote it, in PyTorch, so that it can be trained further.

The Q/DQ file says where eight bits begin and end, with which steps, and which layers stay in floating point; here each
QuantizeLinear rounds in the forward pass and lets the gradient through where it does not clip. BatchNorm is
folded already, so what is trained is the very arithmetic the device runs.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, section 3; the gradient of rounding as in Bengio et al., arXiv 1308.3432 (straight-through estimator).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.errors import EngineError
from edge.contract.files import replacing

POOLING = {"AveragePool", "GlobalAveragePool"}
LEARNT_BY = {"Conv", "Gemm", "MatMul"}
"""Operators whose float constants are weights; those of others are shapes, axes and steps."""
LARGEST = 127
"""TensorRT's eight-bit weights are symmetric: -128 is not used."""

Attributes = dict[str, Any]


class QuantisedNetwork(nn.Module):
    """Clip (N, C, T, V, M) -> (logits (N, K), features (N*M, D, T', V)), as the network that was exported.

    Features are what the pooling before the classifier reads. Weights in eight bits are rounded in each pass.
    What is trained are weights and biases as shares of the largest that their output channel holds: calibration
    has balanced channels that may differ a thousandfold, and one rate must suit them all.
    Raises EngineError for a file that has no Q/DQ or an operator that is not known here.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._model = _read(path)
        graph = self._model.graph
        arrays = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self._nodes = [(n, {a.name: helper.get_attribute_value(a) for a in n.attribute}) for n in graph.node]
        self._refuse(path)
        self._steps = _weight_steps(graph, arrays)
        learnt = [n for n, a in arrays.items() if n in self._steps or (a.dtype == np.float32 and _is_weight(graph, n))]
        self._learnt = {name: number for number, name in enumerate(learnt)}
        values = {name: arrays[name] * self._steps.get(name, np.float32(1)) for name in learnt}
        self._units = {n: torch.from_numpy(unit) for n, unit in _units(graph, arrays, values).items()}
        self.shares = nn.ParameterList(nn.Parameter(torch.from_numpy(values[n]) / self._units[n]) for n in learnt)
        self._constants = {n: torch.from_numpy(np.array(a)) for n, a in arrays.items() if n not in self._learnt}
        pooled = [n.input[0] for n in graph.node if n.op_type in POOLING]
        if not pooled:
            raise EngineError("has no pooling, whose input are a student's features", where=path)
        self._features = pooled[-1]

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        graph = self._model.graph
        values: dict[str, Tensor] = dict(self._constants)
        values |= {name: self.shares[number] * self._units[name] for name, number in self._learnt.items()}
        (given,) = [i.name for i in graph.input if i.name not in values]
        values[given] = clip
        done: dict[tuple[str, ...], Tensor] = {}
        for node, attributes in self._nodes:
            # Readers have a pair each, all alike: compute it once.
            same = (node.op_type, *node.input)
            if node.op_type not in _QDQ or same not in done:
                done[same] = self._apply_node(node, attributes, values)
            values[node.output[0]] = done[same]
        return values[graph.output[0].name], values[self._features]

    def _apply_node(self, node: onnx.NodeProto, attributes: Attributes, values: dict[str, Tensor]) -> Tensor:
        inputs = [values[name] for name in node.input]
        if node.op_type == "DequantizeLinear" and node.input[0] in self._steps:
            step = inputs[1].reshape(-1, *[1] * (inputs[0].ndim - 1))
            return rounded(inputs[0], step, -LARGEST, LARGEST) * step
        return OPERATORS[node.op_type](attributes, *inputs)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> QuantisedNetwork:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # Shapes and axes keep their integers.
        self._constants = {n: fn(t) if t.is_floating_point() else t for n, t in self._constants.items()}
        self._units = {n: fn(unit) for n, unit in self._units.items()}
        return self

    def _refuse(self, path: Path) -> None:
        if not any(node.op_type == "QuantizeLinear" for node, _ in self._nodes):
            raise EngineError("is not quantised", where=path, hint="write it with `python -m calibrate student`")
        for node, _ in self._nodes:
            if node.op_type not in OPERATORS:
                raise EngineError(f"{node.name} is a {node.op_type}, which cannot be trained further", where=path)

    def placement(self) -> str:
        """A digest of all that is not trained: the graph, the steps, and which layers are in eight bits."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        for weight in [i for i in model.graph.initializer if i.name in self._learnt]:
            model.graph.initializer.remove(weight)
        return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()

    def write(self, path: Path) -> None:
        """The INT8 file with these weights, everything else as it was read; whole or not at all."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        for initializer in model.graph.initializer:
            name = initializer.name
            if name in self._learnt:
                initializer.CopyFrom(numpy_helper.from_array(self._stored(name), name))
        onnx.checker.check_model(model, full_check=True)
        with replacing(path) as partial:
            onnx.save(model, str(partial))

    def _stored(self, name: str) -> NDArray[Any]:
        weight = (self.shares[self._learnt[name]].detach() * self._units[name]).cpu().float()
        if name not in self._steps:
            return np.asarray(weight.numpy())
        # As the forward pass rounds: what is written is what was trained.
        steps = rounded(weight, torch.from_numpy(self._steps[name]), -LARGEST, LARGEST)
        return np.asarray(steps.numpy(), np.int8)


def rounded(x: Tensor, step: Tensor, lowest: int, largest: int) -> Tensor:
    """x in whole steps, clipped; its gradient is that of the clipping alone."""
    steps = (x / step).clamp(lowest, largest)
    return steps + (steps.round() - steps).detach()


def _read(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's own error is of no public class
        raise EngineError(f"cannot be read as ONNX: {error}", where=path, hint="write it again") from error


def _weight_steps(graph: onnx.GraphProto, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Of each weight that is stored in eight bits its steps, shaped to be multiplied with it."""
    found = {}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in arrays:
            weight, step = arrays[node.input[0]], arrays[node.input[1]]
            found[node.input[0]] = np.array(step.reshape(-1, *[1] * (weight.ndim - 1)) if step.ndim else step)
    return found


def _units(
    graph: onnx.GraphProto, arrays: dict[str, NDArray[Any]], values: dict[str, NDArray[Any]]
) -> dict[str, NDArray[np.float32]]:
    """Of each weight the largest of its output channel; of a bias that, times the range of what its layer reads."""
    maker = {node.output[0]: node for node in graph.node}
    units: dict[str, NDArray[Any]] = {name: np.ones(1, np.float32) for name in values}
    for node in graph.node:
        if node.op_type not in {"Conv", "Gemm"}:
            continue
        read, weight = (maker.get(name) for name in node.input[:2])
        name = weight.input[0] if weight is not None else node.input[1]
        value = np.abs(values[name])
        largest = value.reshape(len(value), -1).max(axis=1).astype(np.float32)
        largest[largest == 0] = 1
        units[name] = largest.reshape(-1, *[1] * (value.ndim - 1))
        bias = node.input[2] if len(node.input) > 2 else None
        if bias in values:
            reach = LARGEST * arrays[read.input[1]] if read is not None and read.op_type == "DequantizeLinear" else 1
            units[bias] = reach * (largest if len(largest) == len(values[bias]) else largest.max())
    return {name: np.array(unit, np.float32) for name, unit in units.items()}


def _is_weight(graph: onnx.GraphProto, name: str) -> bool:
    return any(name in list(n.input)[1:] for n in graph.node if n.op_type in LEARNT_BY)


def _convolution(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    above, left, below, right = attributes.get("pads", [0, 0, 0, 0])
    if (above, left) != (below, right):
        x, above, left = F.pad(x, (left, right, above, below)), 0, 0
    return F.conv2d(
        x, weight, bias, attributes.get("strides", 1), (above, left), attributes.get("dilations", 1),
        attributes.get("group", 1),
    )  # fmt: skip


def _gemm(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.linear(x, weight if attributes.get("transB", 0) else weight.t(), bias)


def _average_pool(attributes: Attributes, x: Tensor) -> Tensor:
    return F.avg_pool2d(x, attributes["kernel_shape"], attributes.get("strides", 1))


def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    # A 0 stands for the axis as it is.
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape.tolist())])


def _squeeze(attributes: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    return x.squeeze(tuple(axes.tolist()))


def _sum(attributes: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    return x.sum(tuple(axes.tolist()), keepdim=bool(attributes.get("keepdims", 1)))


_QDQ: dict[str, Callable[..., Tensor]] = {
    "QuantizeLinear": lambda a, x, step, zero: rounded(x, step, -128, 127),
    "DequantizeLinear": lambda a, x, step, zero: x * step,
}
OPERATORS: dict[str, Callable[..., Tensor]] = {
    **_QDQ,
    "Conv": _convolution,
    "Gemm": _gemm,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdim=True),
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "ReduceSum": _sum,
    "MatMul": lambda a, x, y: x @ y,
    "Add": lambda a, x, y: x + y,
    "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x / y,
    "Relu": lambda a, x: F.relu(x),
    "Flatten": lambda a, x: x.flatten(a.get("axis", 1)),
    "Transpose": lambda a, x: x.permute(a["perm"]),
    "Identity": lambda a, x: x,
}
"""What the files of DenseGCN hold, of one body and of several."""
