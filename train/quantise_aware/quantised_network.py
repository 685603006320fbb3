"""An INT8 network, as ``python -m calibrate`` wrote it, as a PyTorch module that can be trained.

The Q/DQ file says which tensors are quantised, with which steps, and which layers stay in floating point. Here each
QuantizeLinear rounds in the forward pass; its gradient is passed through where it does not clip (straight-through
estimator). BatchNorm is already folded, so that training uses the arithmetic that the device runs.

Sources: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, section 3; the straight-through estimator: Bengio et al., arXiv 1308.3432.
"""

from __future__ import annotations

import copy
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
from train.quantise_aware.onnx_operators import (
    LARGEST,
    OPERATORS,
    QDQ,
    Attributes,
    convolution_bfloat16_gradients,
    quantise,
    unsupported,
)

POOLING = {"AveragePool", "GlobalAveragePool"}
Values = TypeVar("Values", Tensor, NDArray[Any])
WEIGHTED = {"Conv", "Gemm", "MatMul"}
"""Operators whose float constants are weights; the constants of others are shapes, axes and steps."""


class QuantisedGraph(nn.Module):
    """The input of a Q/DQ file -> its tensors named ``outputs``; other tensors are only computed if these need them.

    INT8 weights are quantised in each pass. The parameters are weights and biases divided by the largest of their
    output channel: after calibration, channels may differ a thousandfold, and one learning rate must suit all.
    learn_steps: train the steps too, as logarithms relative to those of calibration. bfloat16_gradients: compute the
    gradients of convolutions in bfloat16, in less than half the time on processors that support it; the forward pass
    is the same.
    Raises EngineError for a file without Q/DQ, or with an unsupported operator or attribute.

    Source of the steps' gradient: Esser et al., "Learned Step Size Quantization", ICLR 2020, equation 3.
    """

    def __init__(
        self, path: Path, outputs: Sequence[str], *, learn_steps: bool = False, bfloat16_gradients: bool = False
    ) -> None:
        super().__init__()
        self._model, self._outputs = _read(path), tuple(outputs)
        graph = self._model.graph
        arrays = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self._nodes = [
            (n, {a.name: helper.get_attribute_value(a) for a in n.attribute}) for n in _needed(graph, outputs)
        ]
        self._require_trainable(path)
        # The name of each INT8 weight -> the name of its steps.
        self._step_of = {
            n.input[0]: n.input[1] for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in arrays
        }
        self._operators = OPERATORS | ({"Conv": convolution_bfloat16_gradients} if bfloat16_gradients else {})
        values: dict[str, NDArray[Any]] = {}
        for name, array in arrays.items():
            if step := self._step_of.get(name):
                values[name] = array * _broadcast(arrays[step], array)
            elif array.dtype == np.float32 and _is_weight(graph, name):
                values[name] = np.array(array)
        self._weight_index = {name: index for index, name in enumerate(values)}
        units = _units(graph, arrays, values)
        for name, index in self._weight_index.items():
            # Saved with the shares: if the file holds trained weights by the time they are loaded, its units differ.
            self.register_buffer(f"unit{index}", torch.from_numpy(units[name]))
        self.shares = nn.ParameterList(
            nn.Parameter(torch.from_numpy(value / units[name])) for name, value in values.items()
        )
        self._constants = {n: torch.from_numpy(np.array(a)) for n, a in arrays.items() if n not in self._weight_index}
        steps = sorted({n.input[1] for n, _ in self._nodes if n.op_type in QDQ}) if learn_steps else []
        self._learned_step_index = {name: index for index, name in enumerate(steps)}
        self.steps = nn.ParameterList(nn.Parameter(torch.zeros_like(self._constants[name])) for name in steps)

    def forward(self, network_input: Tensor) -> tuple[Tensor, ...]:
        graph = self._model.graph
        values: dict[str, Tensor] = dict(self._constants)
        values |= {name: self._weight(name) for name in self._weight_index}
        values |= {name: self._step(name) for name in self._learned_step_index}
        (name,) = [i.name for i in graph.input if i.name not in values]
        values[name] = network_input
        done: dict[tuple[str, ...], Tensor] = {}
        for node, attributes in self._nodes:
            # Each reader of a tensor has its own, equal Q/DQ pair: compute it once.
            key = (node.op_type, *node.input)
            if node.op_type not in QDQ or key not in done:
                done[key] = self._apply_node(node, attributes, values)
            values[node.output[0]] = done[key]
        return tuple(values[name] for name in self._outputs)

    def _apply_node(self, node: onnx.NodeProto, attributes: Attributes, values: dict[str, Tensor]) -> Tensor:
        inputs = [values[name] for name in node.input]
        if node.op_type == "DequantizeLinear" and node.input[0] in self._step_of:
            step = _broadcast(inputs[1], inputs[0])
            return quantise(inputs[0], step, -LARGEST, LARGEST) * step
        return self._operators[node.op_type](attributes, *inputs)

    def _weight(self, name: str) -> Tensor:
        index = self._weight_index[name]
        return self.shares[index] * self.get_buffer(f"unit{index}")

    def _step(self, name: str) -> Tensor:
        step = self._constants[name]
        index = self._learned_step_index.get(name)
        return step if index is None else step * self.steps[index].exp()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> QuantisedGraph:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # Shapes and axes stay on the CPU, where they are read.
        self._constants = {n: fn(t) if t.is_floating_point() else t for n, t in self._constants.items()}
        return self

    def _require_trainable(self, path: Path) -> None:
        if not any(node.op_type == "QuantizeLinear" for node, _ in self._nodes):
            raise EngineError("is not quantised", where=path, hint="write it with `python -m calibrate student`")
        for node, attributes in self._nodes:
            if what := unsupported(node, attributes):
                raise EngineError(f"{node.name} is a {what}, which is not supported in training", where=path)

    def structure_digest(self) -> str:
        """SHA-256 of everything that is not trained: the graph, the steps, and which layers are quantised."""
        model = copy.deepcopy(self._model)
        for weight in [i for i in model.graph.initializer if i.name in self._weight_index]:
            model.graph.initializer.remove(weight)
        return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()

    def write(self, path: Path) -> None:
        """Write the INT8 file with the trained weights and steps, otherwise as it was read."""
        model = copy.deepcopy(self._model)
        for initializer in model.graph.initializer:
            name = initializer.name
            if name in self._weight_index or name in self._learned_step_index:
                initializer.CopyFrom(numpy_helper.from_array(self._stored(name), name))
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(path))

    @torch.no_grad()
    def _stored(self, name: str) -> NDArray[Any]:
        """The value of a trained weight or step as the file stores it."""
        if name in self._learned_step_index:
            return np.asarray(self._step(name).cpu().numpy())
        weight = self._weight(name).cpu().float()
        if name not in self._step_of:
            return np.asarray(weight.numpy())
        # Quantised as in the forward pass, so that the file holds what was trained.
        step = _broadcast(self._step(self._step_of[name]).cpu(), weight)
        return np.asarray(quantise(weight, step, -LARGEST, LARGEST).numpy(), np.int8)


def quantised_student(path: Path) -> QuantisedGraph:
    """An INT8 student: clip (N, C, T, V, M) -> (logits (N, K), features (N*M, D, T', V)).

    The features are the input of the pooling before the classifier.
    """
    graph = _read(path).graph
    pooled = [n.input[0] for n in graph.node if n.op_type in POOLING]
    if not pooled:
        raise EngineError("has no pooling, whose input would be the features", where=path)
    return QuantisedGraph(path, (graph.output[0].name, pooled[-1]))


def _needed(graph: onnx.GraphProto, outputs: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that compute these tensors, in execution order."""
    needed, nodes = set(outputs), list[onnx.NodeProto]()
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


def _broadcast(step: Values, tensor: Values) -> Values:
    """Reshape one step, or one per output channel, so that it multiplies ``tensor``."""
    return step.reshape(-1, *[1] * (tensor.ndim - 1)) if step.ndim else step


def _units(
    graph: onnx.GraphProto, arrays: dict[str, NDArray[Any]], values: dict[str, NDArray[Any]]
) -> dict[str, NDArray[np.float32]]:
    """The unit of a weight: the largest weight of its output channel; of a bias: that times its layer's input range."""
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
            units[bias] = np.asarray(reach * (largest if len(largest) == len(values[bias]) else largest.max()))
    return {name: np.array(unit, np.float32) for name, unit in units.items()}


def _is_weight(graph: onnx.GraphProto, name: str) -> bool:
    return any(name in list(n.input)[1:] for n in graph.node if n.op_type in WEIGHTED)
