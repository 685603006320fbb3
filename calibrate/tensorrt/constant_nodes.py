"""Turn the Constant nodes of an ONNX network into initializers, so that constants have one form."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from calibrate.quantisation.onnx_graph import attributes, copied, set_nodes

_DTYPES = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}


def with_initializers(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its numerical Constant nodes as initializers."""
    result, kept = copied(model), []
    for node in result.graph.node:
        ((form, value),) = attributes(node).items() if node.op_type == "Constant" else [("", None)]
        if form == "value":
            result.graph.initializer.add().CopyFrom(value)
            result.graph.initializer[-1].name = node.output[0]
        elif form in _DTYPES:
            result.graph.initializer.append(numpy_helper.from_array(np.array(value, _DTYPES[form]), node.output[0]))
        else:
            kept.append(node)
    set_nodes(result, kept)
    return result
