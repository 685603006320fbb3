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
    steps: Tensor = _Rounded.apply(x, step, lowest, largest)  # type: ignore[no-untyped-call]
    return steps


class _Rounded(torch.autograd.Function):
    """In one, for what autograd would keep and pass over of each operation is half the time of a training."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, lowest: int, largest: int) -> Tensor:
        exact = x / step
        ctx.save_for_backward(exact, step)
        # What rounding brings back to the last step is not clipped, as the largest weight of each channel.
        ctx.ends = (lowest - 0.5, largest + 0.5)
        return exact.round().clamp_(lowest, largest)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        exact, step = ctx.saved_tensors
        passed = torch.ops.aten.hardtanh_backward(gradients[0], exact, *ctx.ends).div_(step)
        # The quotient's part alone: with what multiplies the step again it makes equation 3 of Esser et al.
        towards = None
        if ctx.needs_input_grad[1]:
            one = step.numel() == 1
            towards = (
                -(passed.ravel() @ exact.ravel()).reshape(step.shape)
                if one
                else -(passed * exact).sum_to_size(step.shape)
            )
        return passed, towards, None, None


def _convolution(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x, settings = _padded(attributes, x)
    return F.conv2d(x, weight, bias, *settings)


def convolution_of_coarse_gradients(
    attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """The same, with gradients that are summed from products in bfloat16."""
    x, settings = _padded(attributes, x)
    given: Tensor = _CoarselyLearnt.apply(x, weight, settings)  # type: ignore[no-untyped-call]
    return given if bias is None else given + bias.reshape(-1, 1, 1)


def _padded(attributes: Attributes, x: Tensor) -> tuple[Tensor, tuple[Any, ...]]:
    """x, padded where its sides differ, and strides, padding, dilations and groups for the rest."""
    above, left, below, right = attributes.get("pads", [0, 0, 0, 0])
    if (above, left) != (below, right):
        x, above, left = F.pad(x, (left, right, above, below)), 0, 0
    strides, dilations = (list(attributes.get(name, [1, 1])) for name in ("strides", "dilations"))
    return x, (strides, [above, left], dilations, attributes.get("group", 1))


class _CoarselyLearnt(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, settings: tuple[Any, ...]) -> Tensor:
        ctx.save_for_backward(x.bfloat16(), weight.bfloat16())
        ctx.settings = settings
        return F.conv2d(x, weight, None, *settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        strides, padding, dilations, groups = ctx.settings
        wanted = [ctx.needs_input_grad[0], True, False]
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            gradients[0].bfloat16(),
            *ctx.saved_tensors,
            None,
            strides,
            padding,
            dilations,
            False,
            [0, 0],
            groups,
            wanted,
        )
        return None if of_x is None else of_x.float(), of_weight.float(), None


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
