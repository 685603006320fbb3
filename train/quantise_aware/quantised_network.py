"""An INT8 student as ``python -m calibrate student`` wrote it, in PyTorch, so that it can be trained further.

The Q/DQ file says where eight bits begin and end, with which steps, and which layers stay in floating point; here each
QuantizeLinear rounds in the forward pass and lets the gradient through where it does not clip. BatchNorm is
folded already, so what is trained is the very arithmetic the device runs.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, section 3; the gradient of rounding as in Bengio et al., arXiv 1308.3432 (straight-through estimator).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn

from edge.contract.errors import EngineError
from edge.contract.files import atomic_write
from train.quantise_aware.onnx_operators import (
    LARGEST,
    OPERATORS,
    QDQ,
    Attributes,
    convolution_of_coarse_gradients,
    rounded,
)

POOLING = {"AveragePool", "GlobalAveragePool"}
Values = TypeVar("Values", Tensor, NDArray[Any])
LEARNT_BY = {"Conv", "Gemm", "MatMul"}
"""Operators whose float constants are weights; those of others are shapes, axes and steps."""


class QuantisedGraph(nn.Module):
    """A Q/DQ file's input -> its tensors by name.

    Weights in eight bits are rounded in each pass. What is trained are weights and biases as shares of the largest that
    their output channel holds: calibration has balanced channels that may differ a thousandfold, and one rate must suit
    them all. wanted: the tensors that are asked for; what only others need is not computed. learn_steps: the steps are
    trained as well, as logarithms of what calibration made of them. coarse_gradients: convolutions' are computed in
    bfloat16, in less than half the time where a processor can; the forward pass stays what the device runs.
    Raises EngineError for a file that has no Q/DQ or an operator that is not known here.

    Source of the gradient of steps: Esser et al., "Learned Step Size Quantization", ICLR 2020, equation 3.
    """

    def __init__(
        self, path: Path, wanted: Sequence[str], *, learn_steps: bool = False, coarse_gradients: bool = False
    ) -> None:
        super().__init__()
        self._model, self._wanted = _read(path), tuple(wanted)
        graph = self._model.graph
        arrays = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self._nodes = [
            (n, {a.name: helper.get_attribute_value(a) for a in n.attribute}) for n in _needed(graph, wanted)
        ]
        self._refuse(path)
        self._steps = _weight_steps(graph, arrays)
        self._operators = OPERATORS | ({"Conv": convolution_of_coarse_gradients} if coarse_gradients else {})
        learnt = [n for n, a in arrays.items() if n in self._steps or (a.dtype == np.float32 and _is_weight(graph, n))]
        self._learnt = {name: number for number, name in enumerate(learnt)}
        values = {
            n: arrays[n] * _beside(arrays[self._steps[n]], arrays[n]) if n in self._steps else np.array(arrays[n])
            for n in learnt
        }
        units = _units(graph, arrays, values)
        for number, name in enumerate(learnt):
            # Kept with the shares, which mean nothing without: the file may hold trained weights when they are loaded.
            self.register_buffer(f"unit{number}", torch.from_numpy(units[name]))
        self.shares = nn.ParameterList(nn.Parameter(torch.from_numpy(values[n] / units[n])) for n in learnt)
        self._constants = {n: torch.from_numpy(np.array(a)) for n, a in arrays.items() if n not in self._learnt}
        moved = sorted({n.input[1] for n, _ in self._nodes if n.op_type in QDQ}) if learn_steps else []
        self._moved = {name: number for number, name in enumerate(moved)}
        self.steps = nn.ParameterList(nn.Parameter(torch.zeros_like(self._constants[name])) for name in moved)

    def forward(self, given: Tensor) -> tuple[Tensor, ...]:
        graph = self._model.graph
        values: dict[str, Tensor] = dict(self._constants)
        values |= {name: self._weight(name) for name in self._learnt}
        values |= {name: self._step(name) for name in self._moved}
        (name,) = [i.name for i in graph.input if i.name not in values]
        values[name] = given
        done: dict[tuple[str, ...], Tensor] = {}
        for node, attributes in self._nodes:
            # Readers have a pair each, all alike: compute it once.
            same = (node.op_type, *node.input)
            if node.op_type not in QDQ or same not in done:
                done[same] = self._apply_node(node, attributes, values)
            values[node.output[0]] = done[same]
        return tuple(values[name] for name in self._wanted)

    def _apply_node(self, node: onnx.NodeProto, attributes: Attributes, values: dict[str, Tensor]) -> Tensor:
        inputs = [values[name] for name in node.input]
        if node.op_type == "DequantizeLinear" and node.input[0] in self._steps:
            step = _beside(inputs[1], inputs[0])
            return rounded(inputs[0], step, -LARGEST, LARGEST) * step
        given: Tensor = self._operators[node.op_type](attributes, *inputs)
        return given

    def _weight(self, name: str) -> Tensor:
        number = self._learnt[name]
        weight: Tensor = self.shares[number] * self.get_buffer(f"unit{number}")
        return weight

    def _step(self, name: str) -> Tensor:
        known = self._constants[name]
        return known * self.steps[self._moved[name]].exp() if name in self._moved else known

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> QuantisedGraph:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # Shapes and axes keep their integers.
        self._constants = {n: fn(t) if t.is_floating_point() else t for n, t in self._constants.items()}
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
            if name in self._learnt or name in self._moved:
                initializer.CopyFrom(numpy_helper.from_array(self._stored(name), name))
        onnx.checker.check_model(model, full_check=True)
        with atomic_write(path) as partial:
            onnx.save(model, str(partial))

    @torch.no_grad()
    def _stored(self, name: str) -> NDArray[Any]:
        if name in self._moved:
            return np.asarray(self._step(name).cpu().numpy())
        weight = self._weight(name).cpu().float()
        if name not in self._steps:
            return np.asarray(weight.numpy())
        # As the forward pass rounds: what is written is what was trained.
        steps = rounded(weight, _beside(self._step(self._steps[name]).cpu(), weight), -LARGEST, LARGEST)
        return np.asarray(steps.numpy(), np.int8)


class QuantisedNetwork(QuantisedGraph):
    """Clip (N, C, T, V, M) -> (logits (N, K), features (N*M, D, T', V)), as the student that was exported.

    Features are what the pooling before the classifier reads. See :class:`QuantisedGraph`.
    """

    def __init__(self, path: Path) -> None:
        graph = _read(path).graph
        pooled = [n.input[0] for n in graph.node if n.op_type in POOLING]
        if not pooled:
            raise EngineError("has no pooling, whose input are a student's features", where=path)
        super().__init__(path, (graph.output[0].name, pooled[-1]))


def _needed(graph: onnx.GraphProto, wanted: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that it takes to make these tensors, in the order they run."""
    needed, nodes = set(wanted), list[onnx.NodeProto]()
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            nodes.insert(0, node)
    return nodes


def _read(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path)
    except (OSError, DecodeError) as error:
        raise EngineError(f"cannot be read as ONNX: {error}", where=path, hint="write it again") from error


def _weight_steps(graph: onnx.GraphProto, arrays: dict[str, NDArray[Any]]) -> dict[str, str]:
    """Of each weight that is stored in eight bits the name of its steps."""
    return {
        node.input[0]: node.input[1]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in arrays
    }


def _beside(step: Values, tensor: Values) -> Values:
    """Steps, one or one for each output channel, shaped to be multiplied with what they are of."""
    return step.reshape(-1, *[1] * (tensor.ndim - 1)) if step.ndim else step


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
