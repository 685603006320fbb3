"""ONNX operators of quantised networks in PyTorch: ``OPERATORS[node.op_type](attributes, *inputs)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import torch
from torch import Tensor
from torch.nn import functional as F

from edge.contract.errors import EngineError

LARGEST = 127
"""TensorRT's eight-bit weights are symmetric: -128 is not used."""

Attributes = dict[str, Any]


def rounded(x: Tensor, step: Tensor, lowest: int, largest: int) -> Tensor:
    """x in whole steps, clipped; its gradient is that of the clipping alone."""
    steps = (x / step).clamp(lowest, largest)
    return steps + (steps.round() - steps).detach()


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


def _max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    above, left, below, right = attributes.get("pads", [0, 0, 0, 0])
    x = F.pad(x, (left, right, above, below), value=-torch.inf)
    return F.max_pool2d(x, attributes["kernel_shape"], attributes.get("strides", 1))


def _depth_to_space(attributes: Attributes, x: Tensor) -> Tensor:
    size, (batch, channels, height, width) = attributes["blocksize"], x.shape
    if attributes.get("mode", b"DCR") == b"CRD":
        return F.pixel_shuffle(x, size)
    parts = x.reshape(batch, size, size, channels // size**2, height, width).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(batch, channels // size**2, height * size, width * size)


def _cast(attributes: Attributes, x: Tensor) -> Tensor:
    if attributes["to"] != onnx.TensorProto.FLOAT:
        raise EngineError(f"casts to type {attributes['to']}, which cannot be trained further", where="network")
    return x.float()


def _sum(attributes: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    return x.sum(tuple(axes.tolist()), keepdim=bool(attributes.get("keepdims", 1)))


QDQ: dict[str, Callable[..., Tensor]] = {
    "QuantizeLinear": lambda a, x, step, zero: rounded(x, step, -128, 127),
    "DequantizeLinear": lambda a, x, step, zero: x * step,
}
OPERATORS: dict[str, Callable[..., Tensor]] = {
    **QDQ,
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
    "Sigmoid": lambda a, x: x.sigmoid(),
    "Tanh": lambda a, x: x.tanh(),
    "Sub": lambda a, x, y: x - y,
    "Cast": _cast,
    "Concat": lambda a, *parts: torch.cat(parts, a["axis"]),
    "MaxPool": _max_pool,
    "DepthToSpace": _depth_to_space,
    "Transpose": lambda a, x: x.permute(a["perm"]),
    "Identity": lambda a, x: x,
}
"""What the files of DenseGCN hold, of one body and of several, and those of pose networks."""
