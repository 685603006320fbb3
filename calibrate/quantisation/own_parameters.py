"""Give every layer its own weights and bias where the network shares them between layers.

Later steps change parameters layer by layer: channels are equalised, weights are fitted to the layer's own inputs,
biases take up its own error. A shared constant would be changed once for each reader, and a float layer would read
the INT8 layer's weights. The cost is size: a weight that n layers share is stored n times.
"""

from __future__ import annotations

import onnx

from calibrate.quantisation.onnx_graph import Graph, copied


def with_own_parameters(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same function with no constant of a Conv or Gemm read by another node."""
    result = copied(model)
    graph = Graph(result)
    layers = graph.nodes("Conv", "Gemm")
    taken = {name for node in result.graph.node if node not in layers for name in node.input}
    for node in layers:
        for position, name in enumerate(node.input):
            if name in graph.constants and name in taken:
                node.input[position] = f"{name}.{node.name}"
                graph.set_constant(node.input[position], graph.constants[name])
            taken.add(name)
    return result
