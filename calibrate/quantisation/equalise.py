"""Channels of one tensor brought to like ranges before eight bits cover them all with one step.

A network gives the same outputs when a convolution's output channel is divided by s > 0 and every
convolution that reads the channel multiplies by s; ReLU, pooling and concatenation in between let the
factor through. Weights are quantised per output channel, so the division is free; the multiplication is
free where the reader is depthwise, and otherwise shared between activation and weight.

Without this, a step chosen for the loudest channel silences the quiet ones: heatmaps of 0..1 that are
concatenated with features of 0..20, or the channels between the two convolutions of a MobileNet block.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019;
ranges of activations taken from data as in Xiao et al., "SmoothQuant", ICML 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from calibrate.quantisation.onnx_graph import Array, Graph, Sample, activations, copied, group_of

POOLING = {"MaxPool", "AveragePool", "GlobalAveragePool"}
SHARE = 0.7
"""How much of a channel's loudness goes into the weights of a dense reader, 0..1. Measured on MobileNet-thin."""
LARGEST_RATIO = 1e3
"""A channel that is all but silent counts as this much quieter than the loudest, no more."""


@dataclass(frozen=True)
class _Reader:
    """A convolution that reads a tensor's channels from position ``first`` of its own input on."""

    convolution: onnx.NodeProto
    first: int


def equalised(model: onnx.ModelProto, samples: Sequence[Sample]) -> onnx.ModelProto:
    """The same function with balanced channels, wherever all that read a convolution's output are convolutions.

    model: with shapes inferred. samples: what it is given.
    """
    result = copied(model)
    graph = Graph(result)
    channels = _channel_counts(result)
    readers = {
        node.output[0]: found
        for node in graph.nodes("Conv")
        if _own_weights(graph, node) and (found := _readers(graph, channels, node.output[0], 0))
    }
    loudness = _loudness(result, {t: _after_relu(graph, t) for t in readers}, samples)
    for node in graph.nodes("Conv"):
        if node.output[0] not in readers:
            continue
        factor = _factor(graph, loudness[node.output[0]], readers[node.output[0]])
        for name in node.input[1:]:
            _scale(graph, name, 1 / factor.reshape(-1, *[1] * (graph.constants[name].ndim - 1)))
        for reader in readers[node.output[0]]:
            weight = _by_group(graph, reader.convolution)
            columns = np.ones(weight.shape[0] * weight.shape[2])
            columns[reader.first : reader.first + len(factor)] = factor
            by_group = columns.reshape(weight.shape[0], 1, weight.shape[2], *[1] * (weight.ndim - 3))
            name = reader.convolution.input[1]
            graph.set_constant(name, (weight * by_group).reshape(graph.constants[name].shape))
    return result


def _readers(graph: Graph, channels: dict[str, int], tensor: str, first: int) -> list[_Reader]:
    """Convolutions that read ``tensor``; none where anything else reads it too."""
    if tensor in graph.outputs:
        return []
    found: list[_Reader] = []
    for node in graph.consumers[tensor]:
        further: list[_Reader] = []
        if node.op_type == "Conv" and list(node.input).index(tensor) == 0 and _own_weights(graph, node):
            further = [_Reader(node, first)]
        elif node.op_type in {"Relu", *POOLING}:
            further = _readers(graph, channels, node.output[0], first)
        elif node.op_type == "MatMul" and node.input[1] in graph.constants and tensor in channels:
            # The graph's adjacency mixes joints, on the last axis, which leaves a channel's factor what it is.
            further = _readers(graph, channels, node.output[0], first)
        elif node.op_type == "Concat" and node.attribute[0].i == 1 and list(node.input).count(tensor) == 1:
            before = [channels.get(name, 0) for name in node.input[: list(node.input).index(tensor)]]
            further = _readers(graph, channels, node.output[0], first + sum(before)) if all(before) else []
        if not further:
            return []
        found += further
    return found


def _factor(graph: Graph, loudness: Array, readers: Sequence[_Reader]) -> Array:
    """s (C,), of geometric mean 1, from the channels' largest values (C,)."""
    loud = np.maximum(loudness, max(loudness.max(), 1e-12) / LARGEST_RATIO)
    dense = [_column_sizes(_by_group(graph, r.convolution))[r.first :][: len(loud)] for r in readers]
    dense = [sizes for sizes, r in zip(dense, readers, strict=True) if _by_group(graph, r.convolution).shape[2] > 1]
    if dense:
        loud = loud**SHARE / np.maximum(np.maximum.reduce(dense), 1 / LARGEST_RATIO) ** (1 - SHARE)
    balanced: Array = loud / np.exp(np.log(loud).mean())
    return balanced


def _column_sizes(weight: Array) -> Array:
    """(I,) largest weight each input channel meets, as part of the largest of its row, since rows have own steps."""
    size = np.abs(weight).max(axis=tuple(range(3, weight.ndim))) if weight.ndim > 3 else np.abs(weight)
    relative: Array = (size / np.maximum(size.max(axis=2, keepdims=True), 1e-12)).max(axis=1).ravel()
    return relative


def _by_group(graph: Graph, convolution: onnx.NodeProto) -> Array:
    """Weights (O, I/g, ..) as (g, O/g, I/g, ..)."""
    weight = graph.constants[convolution.input[1]].astype(np.float64)
    group = group_of(convolution)
    return weight.reshape(group, weight.shape[0] // group, *weight.shape[1:])


def _scale(graph: Graph, name: str, factor: Array) -> None:
    graph.set_constant(name, graph.constants[name].astype(np.float64) * factor)


def _own_weights(graph: Graph, convolution: onnx.NodeProto) -> bool:
    """Weights and bias are constants that nobody else reads."""
    return all(n in graph.constants and len(graph.consumers[n]) == 1 for n in convolution.input[1:])


def _after_relu(graph: Graph, tensor: str) -> str:
    takers = graph.consumers[tensor]
    return takers[0].output[0] if len(takers) == 1 and takers[0].op_type == "Relu" else tensor


def _loudness(model: onnx.ModelProto, after: dict[str, str], samples: Sequence[Sample]) -> dict[str, Array]:
    largest: dict[str, Array] = {}
    for values in activations(model, sorted(set(after.values())), samples):
        for name, value in values.items():
            size = np.abs(value).max(axis=(0, *range(2, value.ndim)))
            largest[name] = np.maximum(largest.get(name, 0), size)
    return {tensor: largest[name].astype(np.float64) for tensor, name in after.items()}


def _channel_counts(model: onnx.ModelProto) -> dict[str, int]:
    values = [*model.graph.value_info, *model.graph.input, *model.graph.output]
    shapes = {v.name: v.type.tensor_type.shape.dim for v in values}
    return {name: shape[1].dim_value for name, shape in shapes.items() if len(shape) > 2}
