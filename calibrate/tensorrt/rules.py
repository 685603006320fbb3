"""Find, without TensorRT, the nodes of a Q/DQ network that TensorRT refuses.

The rules are failures that users reported: int32 biases behind DequantizeLinear and zero points other than 0
(onnx-tensorrt #850, TensorRT #2774), and operator sets newer than the board's parser (TensorRT #4494). That of
``kernel_shape`` was seen with TensorRT 8.5.3 on an H100; onnx-tensorrt's changelog of 10.4 says that it is fixed. The
parser gives 1-D convolutions, INT8 ones too, a second axis of size 1.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from calibrate.quantisation.onnx_graph import with_initializers

NEWEST_OPSET_OF_8_5 = 17


def violations(model: onnx.ModelProto) -> list[str]:
    """One line per violation, with the node's name; empty if every TensorRT from 8.5 on accepts the network."""
    model = with_initializers(model)
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    found: list[str] = []
    for node in model.graph.node:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            found += [f"{node.name or node.output[0]} ({node.op_type}): {why}" for why in _problems(node, constants)]
    return found + _half_quantised(model) + _without_kernel_shape(model, constants)


def notes(model: onnx.ModelProto) -> list[str]:
    """What only some TensorRT versions refuse, one line each."""
    opset = max((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), default=0)
    if opset <= NEWEST_OPSET_OF_8_5:
        return []
    return [f"operator set {opset} is newer than {NEWEST_OPSET_OF_8_5}, the newest that TensorRT 8.5 (JetPack 5) reads"]


def _problems(node: onnx.NodeProto, constants: dict[str, NDArray[np.generic]]) -> list[str]:
    found = []
    value, scale, zero_point = (constants.get(name) for name in [*node.input, "", "", ""][:3])
    if node.op_type == "DequantizeLinear" and value is not None and value.dtype == np.int32:
        found.append("an int32 bias must stay floating point")
    if scale is None:
        found.append("its scale is not constant")
    elif not (np.asarray(scale, np.float64) > 0).all():
        found.append("its scale is not positive")
    if zero_point is None:
        # In ONNX a QuantizeLinear without a zero point is uint8.
        if node.op_type == "QuantizeLinear":
            found.append("it has no constant zero point, which means uint8")
    elif zero_point.dtype not in (np.int8, np.int32):
        found.append(f"its type is {zero_point.dtype}, not int8")
    elif (zero_point != 0).any():
        found.append("its zero point is not 0")
    return found


def _weight(layer: onnx.NodeProto) -> str:
    """Its name; empty for a damaged layer without one."""
    return next(iter(layer.input[1:2]), "")


def _half_quantised(model: onnx.ModelProto) -> list[str]:
    """Layers with quantised weights but a float activation; a float layer behind an INT8 one is allowed."""
    dequantised = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    return [
        f"{n.name or n.output[0]} ({n.op_type}): its weight is quantised, its activation is not"
        for n in model.graph.node
        if n.op_type in {"Conv", "Gemm"} and _weight(n) in dequantised and n.input[0] not in dequantised
    ]


def _without_kernel_shape(model: onnx.ModelProto, constants: Collection[str]) -> list[str]:
    """Convolutions whose kernel size TensorRT 8.5 cannot know: it reads it from constant weights or the attribute."""
    return [
        f"{n.name or n.output[0]} (Conv): its weight is computed and it has no attribute kernel_shape"
        for n in model.graph.node
        if n.op_type == "Conv" and _weight(n) not in constants and all(a.name != "kernel_shape" for a in n.attribute)
    ]
