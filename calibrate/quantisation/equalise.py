"""Equalise the channel ranges of each activation, because INT8 has one scale for the whole tensor.

TensorRT quantises activations per tensor and weights per channel ("Q/DQ Layer-Placement Recommendations"). The network
computes the same if a convolution's output channel is divided by s > 0 and every convolution that reads the channel
multiplies by s; ReLU, pooling and concatenation in between commute with the factor. The division costs no precision,
since weights have a scale per output channel. The multiplication costs none in a depthwise reader; otherwise the range
is shared between activation and weights.

Without this, the scale of the largest channel rounds the small ones to zero: heatmaps of 0..1 concatenated with
features of 0..20, or the channels between the two convolutions of a MobileNet block.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019;
ranges of activations taken from data as in Xiao et al., "SmoothQuant", ICML 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from calibrate.quantisation.onnx_graph import Array, Graph, Sample, activations, copied, group_of

POOLING = {"MaxPool", "AveragePool", "GlobalAveragePool"}
SHARE = 0.7
"""Part of a channel's range that moves into the weights of a dense reader, 0..1 (SmoothQuant's alpha). Chosen by
measurement on MobileNet-thin."""
LARGEST_RATIO = 1e3
"""Limit on the ratio of the largest channel's range to any other's."""


_Reader = tuple[onnx.NodeProto, int]
"""A convolution, and the position in its input at which a tensor's channels begin."""


def equalised(model: onnx.ModelProto, samples: Sequence[Sample]) -> onnx.ModelProto:
    """Return the same function with equalised channels, wherever only convolutions read a convolution's output.

    model: with shapes inferred; no two layers share parameters. samples: inputs that the ranges are taken from.
    """
    result = copied(model)
    graph = Graph(result)
    channels = _channel_counts(result)
    readers = {
        node.output[0]: found
        for node in graph.nodes("Conv")
        if _constant_weights(graph, node) and (found := _readers(graph, channels, node.output[0], 0))
    }
    ranges = _channel_ranges(result, {t: _after_relu(graph, t) for t in readers}, samples)
    for node in graph.nodes("Conv"):
        if node.output[0] not in readers:
            continue
        factor = _factor(graph, ranges[node.output[0]], readers[node.output[0]])
        for name in node.input[1:]:
            constant = graph.constants[name].astype(np.float64)
            graph.set_constant(name, constant / factor.reshape(-1, *[1] * (constant.ndim - 1)))
        for convolution, first in readers[node.output[0]]:
            weight = _by_group(graph, convolution)
            columns = np.ones(weight.shape[0] * weight.shape[2])
            columns[first : first + len(factor)] = factor
            by_group = columns.reshape(weight.shape[0], 1, weight.shape[2], *[1] * (weight.ndim - 3))
            name = convolution.input[1]
            graph.set_constant(name, (weight * by_group).reshape(graph.constants[name].shape))
    return result


def _readers(graph: Graph, channels: dict[str, int], tensor: str, first: int) -> list[_Reader]:
    """Return the convolutions that read ``tensor``; none if anything else reads it too."""
    if tensor in graph.outputs:
        return []
    found: list[_Reader] = []
    for node in graph.consumers[tensor]:
        further: list[_Reader] = []
        # The joint adjacency acts on the last axis, so it commutes with a factor per channel.
        mixes_joints = node.op_type == "MatMul" and node.input[1] in graph.constants
        if node.op_type == "Conv" and _constant_weights(graph, node):
            further = [(node, first)]
        elif node.op_type in {"Relu", *POOLING} or mixes_joints:
            further = _readers(graph, channels, node.output[0], first)
        elif node.op_type == "Concat" and node.attribute[0].i == 1 and list(node.input).count(tensor) == 1:
            before = [channels.get(name, 0) for name in node.input[: list(node.input).index(tensor)]]
            further = _readers(graph, channels, node.output[0], first + sum(before)) if all(before) else []
        if not further:
            return []
        found += further
    return found


def _factor(graph: Graph, ranges: Array, readers: Sequence[_Reader]) -> Array:
    """s (C,), of geometric mean 1, from the channels' largest absolute values (C,)."""
    size = np.maximum(ranges, max(ranges.max(), 1e-12) / LARGEST_RATIO)
    weights = [(first, _by_group(graph, convolution)) for convolution, first in readers]
    dense = [_column_sizes(weight)[first:][: len(size)] for first, weight in weights if weight.shape[2] > 1]
    if dense:
        size = size**SHARE / np.maximum(np.maximum.reduce(dense), 1 / LARGEST_RATIO) ** (1 - SHARE)
    factor: Array = size / np.exp(np.log(size).mean())
    return factor


def _column_sizes(weight: Array) -> Array:
    """(I,) largest weight of each input channel, relative to its row's largest: each row has its own scale."""
    size = np.abs(weight).max(axis=tuple(range(3, weight.ndim)))
    relative: Array = (size / np.maximum(size.max(axis=2, keepdims=True), 1e-12)).max(axis=1).ravel()
    return relative


def _by_group(graph: Graph, convolution: onnx.NodeProto) -> Array:
    """Weights (O, I/g, ..) as (g, O/g, I/g, ..)."""
    weight = graph.constants[convolution.input[1]].astype(np.float64)
    group = group_of(convolution)
    return weight.reshape(group, weight.shape[0] // group, *weight.shape[1:])


def _constant_weights(graph: Graph, convolution: onnx.NodeProto) -> bool:
    return all(name in graph.constants for name in convolution.input[1:])


def _after_relu(graph: Graph, tensor: str) -> str:
    consumers = graph.consumers[tensor]
    return consumers[0].output[0] if len(consumers) == 1 and consumers[0].op_type == "Relu" else tensor


def _channel_ranges(model: onnx.ModelProto, after: dict[str, str], samples: Sequence[Sample]) -> dict[str, Array]:
    """Largest absolute value (C,) of each tensor's channels. after: tensor -> where it is measured, behind its ReLU."""
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
