"""A Gemm whose addend is computed, not constant, as a product and an addition of their own.

In floating point the sum begins at the addend and costs no node. In eight bits the addend would have to be of the
product's step, in 32 bits: ONNX Runtime leaves such a Gemm in floating point.
"""

from __future__ import annotations

import onnx
from onnx import helper

from calibrate.quantisation.onnx_graph import Graph, attributes, copied, set_nodes


def split_computed_addend(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same function; a Gemm with a constant bias or none, and one that scales its addend, stays as it is."""
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
