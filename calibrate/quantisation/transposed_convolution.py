"""Replace transposed convolutions that upsample by plain convolutions, for which every INT8 runtime has kernels.

This is the polyphase decomposition: with stride s, an output pixel meets only every s-th kernel tap along each axis,
and its position modulo s (its phase) determines which. A transposed convolution therefore equals s * s small
convolutions, one per phase, whose outputs are interleaved; the number of multiplications is the same.

Source: Shi et al., "Is the deconvolution layer the same as a convolutional layer?", arXiv 1609.07009.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from calibrate.quantisation.onnx_graph import Array, Graph, attributes, copied, remove_unread_constants, set_nodes


@dataclass(frozen=True)
class _Taps:
    """One phase along one axis: its kernel positions, in the order of the input pixels they meet, and its padding."""

    kernel: list[int]
    before: int
    after: int


def as_convolutions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same function without the transposed convolutions that enlarge exactly by their stride.

    A ReLU that follows moves before the interleaving, where runtimes fuse it with the convolution.
    """
    result = copied(model)
    graph = Graph(result)
    nodes: list[onnx.NodeProto] = []
    for node in result.graph.node:
        phases = _phases(graph, node) if node.op_type == "ConvTranspose" else None
        if phases is not None:
            nodes += _convolutions(graph, node, phases)
        elif not (node.op_type == "Relu" and _moves_relu(graph, graph.producer.get(node.input[0]))):
            nodes.append(node)
    set_nodes(result, nodes)
    remove_unread_constants(result)
    return result


def _phases(graph: Graph, node: onnx.NodeProto) -> list[list[_Taps]] | None:
    """Return the taps by axis and phase; None for a node that is left as it is."""
    stated = attributes(node)
    constant = all(name in graph.constants for name in node.input[1:])
    if not constant or graph.constants[node.input[1]].ndim != 4:
        return None
    kernel = graph.constants[node.input[1]].shape[2:]
    strides, pads = stated.get("strides", [1, 1]), stated.get("pads", [0, 0, 0, 0])
    plain = (
        stated.get("group", 1) == 1
        and set(stated.get("dilations", [1, 1])) == {1}
        and not any(stated.get("output_padding", [0, 0]))
        and "output_shape" not in stated
        and strides[0] == strides[1] > 1
        and all(k - a - b == s for k, a, b, s in zip(kernel, pads[:2], pads[2:], strides, strict=True))
    )
    if not plain:
        return None
    return [_taps(k, s, p) for k, s, p in zip(kernel, strides, pads[:2], strict=True)]


def _taps(kernel: int, stride: int, pad: int) -> list[_Taps]:
    """Return each phase's taps: output stride * i + phase meets input i + d at kernel phase + pad - stride * d."""
    found = []
    for phase in range(stride):
        offsets = [d for d in range(-kernel, kernel + 1) if 0 <= phase + pad - stride * d < kernel]
        positions = [phase + pad - stride * d for d in offsets]
        found.append(_Taps(positions, -min(offsets), max(offsets)))
    return found


def _moves_relu(graph: Graph, node: onnx.NodeProto | None) -> bool:
    """Whether this is a replaced node whose ReLU moves before the interleaving."""
    if node is None or node.op_type != "ConvTranspose" or _phases(graph, node) is None:
        return False
    return [c.op_type for c in graph.consumers[node.output[0]]] == ["Relu"] and node.output[0] not in graph.outputs


def _convolutions(graph: Graph, node: onnx.NodeProto, axes: list[list[_Taps]]) -> list[onnx.NodeProto]:
    weight: Array = graph.constants[node.input[1]]  # (in, out, kh, kw)
    relu = graph.consumers[node.output[0]][0] if _moves_relu(graph, node) else None
    made, parts = [], []
    for row, down in enumerate(axes[0]):
        for column, across in enumerate(axes[1]):
            name = f"{node.name}.{row}{column}"
            taps = weight[:, :, down.kernel][..., across.kernel].transpose(1, 0, 2, 3)
            graph.set_constant(f"{name}.weight", np.ascontiguousarray(taps))
            inputs = [node.input[0], f"{name}.weight"]
            if len(node.input) > 2:
                # A copy each, because biases are later corrected one by one.
                graph.set_constant(f"{name}.bias", graph.constants[node.input[2]])
                inputs.append(f"{name}.bias")
            pads = [down.before, across.before, down.after, across.after]
            shape = list(taps.shape[2:])
            made.append(helper.make_node("Conv", inputs, [name], name=name, kernel_shape=shape, pads=pads))
            if relu is not None:
                made.append(helper.make_node("Relu", [name], [f"{name}.relu"], name=f"{name}.relu"))
            parts.append(made[-1].output[0])
    joined, output = f"{node.name}.phases", (relu or node).output[0]
    made.append(helper.make_node("Concat", parts, [joined], name=joined, axis=1))
    made.append(
        helper.make_node("DepthToSpace", [joined], [output], name=f"{node.name}.interleave", blocksize=len(axes[0]))
    )
    return made
