"""Write each convolution's kernel size as an attribute.

In ONNX the attribute ``kernel_shape`` is optional, because the weights have that shape. TensorRT 8.5 agrees while they
are constants; behind a DequantizeLinear it reads the attribute only, and refuses the network without it.
"""

from __future__ import annotations

import onnx
from onnx import helper

from calibrate.quantisation.onnx_graph import Graph, attributes, copied


def with_kernel_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with ``kernel_shape`` on every convolution whose weights are constant."""
    result = copied(model)
    graph = Graph(result)
    for node in graph.nodes("Conv"):
        if node.input[1] in graph.constants and "kernel_shape" not in attributes(node):
            shape = graph.constants[node.input[1]].shape[2:]
            node.attribute.append(helper.make_attribute("kernel_shape", shape))
    return result
