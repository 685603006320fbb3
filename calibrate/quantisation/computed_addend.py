"""Split a Gemm with a computed addend into a product and an addition.

In INT8 the addend would need the product's scale, in int32, so ONNX Runtime leaves such a Gemm in floating point.
"""

from __future__ import annotations

import onnx
from onnx import helper

from calibrate.quantisation.onnx_graph import Graph, attributes, copied, set_nodes


def split_computed_addend(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same function. A Gemm with a constant bias or none, or that scales its addend, is left alone."""
    result = copied(model)
    graph = Graph(result)
    nodes: list[onnx.NodeProto] = []
    for node in result.graph.node:
        nodes.append(node)
        scaled = attributes(node).get("beta", 1) != 1
        if node.op_type != "Gemm" or len(node.input) < 3 or node.input[2] in graph.constants or scaled:
            continue
        product, addend = f"{node.output[0]}.product", node.input.pop()
        total = node.output[0]
        node.output[0] = product
        nodes.append(helper.make_node("Add", [product, addend], [total], name=f"{node.name}.addition"))
    set_nodes(result, nodes)
    return result
