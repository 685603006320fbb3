"""The ONNX operators of quantised networks, in PyTorch: ``OPERATORS[node.op_type](attributes, *inputs)``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor
from torch.nn import functional as F

from edge.contract.errors import EngineError

LARGEST = 127
"""Largest INT8 weight. TensorRT's weights are symmetric: -128 is not used."""

Attributes = dict[str, Any]


def quantise(x: Tensor, step: Tensor, lowest: int, largest: int) -> Tensor:
    """round(x / step), clipped, with a straight-through gradient: that of the clipping alone."""
    return _Quantise.apply(x, step, lowest, largest)  # type: ignore[no-untyped-call]


class _Quantise(torch.autograd.Function):
    """One function instead of several operations, whose saved tensors and passes would take half the training time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, lowest: int, largest: int) -> Tensor:
        exact = x / step
        ctx.save_for_backward(exact, step)
        # Values that round to the last step are not clipped, for instance the largest weight of each channel.
        ctx.ends = (lowest - 0.5, largest + 0.5)
        return exact.round().clamp_(lowest, largest)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        exact, step = ctx.saved_tensors
        passed = torch.ops.aten.hardtanh_backward(gradients[0], exact, *ctx.ends).div_(step)
        # d(x / step) / d step. With the gradient of DequantizeLinear's multiplication, equation 3 of Esser et al.
        of_step = None
        if ctx.needs_input_grad[1]:
            if step.numel() == 1:
                of_step = -(passed.ravel() @ exact.ravel()).reshape(step.shape)
            else:
                of_step = -(passed * exact).sum_to_size(step.shape)
        return passed, of_step, None, None


def _convolution(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x, settings = _padded(attributes, x)
    return F.conv2d(x, weight, bias, *settings)


def convolution_bfloat16_gradients(
    attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """A convolution whose gradients are computed in bfloat16; the forward pass is the same."""
    x, settings = _padded(attributes, x)
    out: Tensor = _ConvolutionBfloat16Gradients.apply(x, weight, settings)  # type: ignore[no-untyped-call]
    return out if bias is None else out + bias.reshape(-1, 1, 1)


def _padded(attributes: Attributes, x: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
    """Pad x if its padding is asymmetric; return it with strides, padding, dilations and groups for conv2d."""
    above, left, below, right = attributes.get("pads", [0, 0, 0, 0])
    if (above, left) != (below, right):
        x, above, left = F.pad(x, (left, right, above, below)), 0, 0
    strides, dilations = (list(attributes.get(name, [1, 1])) for name in ("strides", "dilations"))
    return x, (strides, [above, left], dilations, attributes.get("group", 1))


class _ConvolutionBfloat16Gradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, settings: tuple[Any, ...]) -> Tensor:
        ctx.save_for_backward(x.bfloat16(), weight.bfloat16())
        ctx.settings = settings
        return F.conv2d(x, weight, None, *settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        strides, padding, dilations, groups = ctx.settings
        wanted = [ctx.needs_input_grad[0], True, False]
        gradient, settings = gradients[0].bfloat16(), (strides, padding, dilations, False, [0, 0], groups)
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(gradient, *ctx.saved_tensors, None, *settings, wanted)
        return None if of_x is None else of_x.float(), of_weight.float(), None


def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    # In ONNX, 0 keeps the size of an axis.
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape.tolist())])


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
        raise EngineError(f"casts to type {attributes['to']}, which is not supported in training", where="network")
    return x.float()


QDQ: dict[str, Callable[..., Tensor]] = {
    "QuantizeLinear": lambda a, x, step, zero: quantise(x, step, -128, 127),
    "DequantizeLinear": lambda a, x, step, zero: x * step,
}
OPERATORS: dict[str, Callable[..., Tensor]] = {
    **QDQ,
    "Conv": _convolution,
    "Gemm": lambda a, x, w, bias=None: F.linear(x, w if a.get("transB", 0) else w.t(), bias),
    "AveragePool": lambda a, x: F.avg_pool2d(x, a["kernel_shape"], a.get("strides", 1)),
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdim=True),
    "Reshape": _reshape,
    "Squeeze": lambda a, x, axes: x.squeeze(tuple(axes.tolist())),
    "ReduceSum": lambda a, x, axes: x.sum(tuple(axes.tolist()), keepdim=bool(a.get("keepdims", 1))),
    "MatMul": lambda a, x, y: x @ y,
    "Add": lambda a, x, y: x + y,
    "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x / y,
    "Relu": lambda a, x: F.relu(x),
    "Flatten": lambda a, x: x.reshape(math.prod(x.shape[: a.get("axis", 1)]), -1),
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
"""The operators in INT8 files of DenseGCN, for one body or several, and of pose networks."""

_REQUIRED: dict[str, dict[str, set[object]]] = {
    "AveragePool": {"pads": {0}, "ceil_mode": {0}},
    "DequantizeLinear": {"axis": {0}},
    "Gemm": {"alpha": {1}, "beta": {1}, "transA": {0}},
    "MaxPool": {"dilations": {1}, "ceil_mode": {0}},
}
"""Attributes that OPERATORS ignores, with the values for which it is right."""


def unsupported(node: onnx.NodeProto, attributes: Attributes) -> str | None:
    """What OPERATORS cannot compute of this node; None if it can."""
    if node.op_type not in OPERATORS:
        return node.op_type
    required: dict[str, set[object]] = {"auto_pad": {b"NOTSET", b"VALID"}, **_REQUIRED.get(node.op_type, {})}
    for name in required.keys() & attributes.keys():
        if not set(np.ravel(attributes[name]).tolist()) <= required[name]:
            return f"{node.op_type} with {name} {attributes[name]}"
    return None
