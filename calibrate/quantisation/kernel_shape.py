"""Write each convolution's kernel size as an attribute.

In ONNX the attribute ``kernel_shape`` is optional, because the weights have that shape. Before 10.4 TensorRT reads it
from constant weights only, and refuses a Conv without the attribute if its weights are computed, as they are behind a
DequantizeLinear. A ConvTranspose needs no attribute.
"""

from __future__ import annotations

import onnx
from onnx import helper

from calibrate.quantisation.onnx_graph import Graph, attributes, copied


def with_kernel_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with ``kernel_shape`` on every convolution. model: with shapes inferred."""
    result = copied(model)
    graph = Graph(result)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in result.graph.value_info}
    shapes |= {name: list(array.shape) for name, array in graph.constants.items()}
    for node in graph.nodes("Conv"):
        kernel = shapes.get(node.input[1], [])[2:]
        if kernel and all(kernel) and "kernel_shape" not in attributes(node):
            node.attribute.append(helper.make_attribute("kernel_shape", kernel))
    return result
