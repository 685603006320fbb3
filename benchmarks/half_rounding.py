"""Write a network that computes on the CPU what an FP16 engine would: every result is rounded to half precision.

    python -m benchmarks.half_rounding SOURCE OUT

SOURCE: an ONNX file in FP32, or in INT8, whose other layers then become FP16. OUT can be compared with SOURCE wherever
files are, as by `python -m calibrate verify-pose --candidate OUT`.

A network in half precision would not do: on the CPU ONNX Runtime computes it in single precision between casts, and
then removes the casts. An engine rounds less often than OUT, not between the layers that one kernel computes; but some
of its kernels also add up in half precision, which OUT does not.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks import command_line
from calibrate.quantisation.onnx_graph import set_nodes, valid
from calibrate.tensorrt.half_precision import to_half_precision
from edge.contract.files import atomic_write

QUANTISED = ("QuantizeLinear", "DequantizeLinear")
"""Not rounded: an engine multiplies the integers and scales only their sums."""


def rounded_to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network in single precision, with the constants of half precision and every other result rounded to it."""
    result = _in_single_precision(to_half_precision(model))
    known = onnx.shape_inference.infer_shapes(result).graph
    floats = {v.name for v in (*known.value_info, *known.output) if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    nodes = []
    for node in result.graph.node:
        results = [name for name in node.output if name in floats and node.op_type not in QUANTISED]
        exact = {name: f"{name}.exact" for name in results}
        node.output[:] = [exact.get(name, name) for name in node.output]
        nodes.append(node)
        for name in results:
            nodes.append(helper.make_node("Cast", [exact[name]], [f"{name}.rounded"], to=TensorProto.FLOAT16))
            nodes.append(helper.make_node("Cast", [f"{name}.rounded"], [name], to=TensorProto.FLOAT))
    set_nodes(result, nodes)
    return result


def _in_single_precision(half: onnx.ModelProto) -> onnx.ModelProto:
    """The network with each type of half precision made single; values stay."""
    for constant in half.graph.initializer:
        if constant.data_type == TensorProto.FLOAT16:
            constant.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constant).astype("float32"), constant.name))
    for node in half.graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
    return half


def main() -> None:
    parser = command_line.parser("benchmarks.half_rounding", __doc__)
    parser.add_argument("source", type=Path, metavar="SOURCE")
    parser.add_argument("out", type=Path, metavar="OUT")
    given = parser.parse_args()
    model = rounded_to_half(valid(given.source))
    with atomic_write(given.out) as partial:
        onnx.save(model, partial)
    rounded = sum(name.endswith(".rounded") for node in model.graph.node for name in node.output)
    print(f"{given.out}: {rounded} results rounded")


if __name__ == "__main__":
    command_line.run(main)
