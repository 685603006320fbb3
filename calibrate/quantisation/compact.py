"""Shrink an INT8 file: long names, shapes and repeated zero points are a sixth of a small network's bytes.

The computation stays the same. Layers, their outputs and their weights keep the names of the FP32 network; Q/DQ nodes,
their tensors, scales and zero points get short names.
"""

from __future__ import annotations

import onnx

from calibrate.quantisation.onnx_graph import Graph, copied, remove_unread_constants, rename_tensors

_QDQ = {"QuantizeLinear": "q", "DequantizeLinear": "d"}


def compact(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same function in fewer bytes. Intermediate shapes are dropped; runtimes infer them.

    model: whose outputs are no Q/DQ nodes'.
    """
    result = copied(model)
    graph = Graph(result)
    taken = graph.inputs | set(graph.constants) | set(graph.producer)
    renamed: dict[str, str] = {}
    known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
    for number, node in enumerate(graph.nodes(*_QDQ)):
        prefix = _QDQ[node.op_type]
        node.name = _free(f"{prefix}{number}", taken)
        renamed[node.output[0]] = node.name
        for name, kind in zip(node.input[1:], ("step", "zero"), strict=False):
            value = graph.constants[name]
            same = (value.dtype.str, value.shape, value.tobytes())
            renamed[name] = known.setdefault(same, _free(f"{kind}{len(known)}", taken))
            graph.set_constant(renamed[name], value)
    rename_tensors(result.graph.node, renamed)
    for node in result.graph.node:
        node.ClearField("doc_string")  # an empty one takes two bytes
        del node.metadata_props[:]
    remove_unread_constants(result)
    # ONNX Runtime's optimiser declares its own opsets even if they are unused.
    used = {node.domain for node in result.graph.node}
    for opset in [o for o in result.opset_import if o.domain and o.domain not in used]:
        result.opset_import.remove(opset)
    del result.graph.value_info[:]
    del result.graph.metadata_props[:]
    return result


def _free(wanted: str, taken: set[str]) -> str:
    while wanted in taken:
        wanted += "_"
    return wanted
