"""A .tflite network without what nobody reads: LiteRT computes every layer of a file, read or not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def without_outputs(network: bytes, unread: Collection[int]) -> bytes | None:
    """The network without these outputs and without the layers that only they need; weights stay as they are.

    network: a .tflite file's bytes. unread: indices of tensors, as the interpreter numbers them.
    None where it cannot be shortened: the file has several graphs, or the installed LiteRT lacks its format's classes.
    """
    try:
        import ai_edge_litert.schema_py_generated as schema
        import flatbuffers
    except ImportError:
        return None
    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(network, 0))
    if len(model.subgraphs) != 1:
        return None
    (graph,) = model.subgraphs
    graph.outputs = [tensor for tensor in graph.outputs if tensor not in unread]
    needed, layers = set(graph.outputs), []
    for layer in reversed(graph.operators):
        if needed.intersection(layer.outputs):
            needed.update(layer.inputs)
            layers.append(layer)
    graph.operators = layers[::-1]
    # Signatures name outputs that are no more, and nothing here asks for them.
    model.signatureDefs = []
    builder = flatbuffers.Builder(len(network))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
