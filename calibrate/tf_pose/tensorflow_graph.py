"""Read a frozen TensorFlow graph without TensorFlow.

A GraphDef is a protocol buffer. The few fields that a convolutional inference graph uses are declared here by number
and decoded by the protobuf library, a dependency of ONNX. Source of the numbers: tensorflow/core/framework,
graph.proto, node_def.proto, attr_value.proto, tensor.proto and tensor_shape.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from edge.contract.errors import EngineError

# message -> (field number, field name, type), "*" where the field repeats.
_SCHEMA = {
    "Dim": [(1, "size", "int64")],
    "Shape": [(2, "dim", "*Dim")],
    "Tensor": [
        (1, "dtype", "int32"),
        (2, "tensor_shape", "Shape"),
        (4, "tensor_content", "bytes"),
        (7, "int_val", "*int32"),
    ],
    "List": [(3, "i", "*int64")],
    "Value": [(1, "list", "List"), (2, "s", "bytes"), (8, "tensor", "Tensor")],
    "Attribute": [(1, "key", "string"), (2, "value", "Value")],
    "Node": [(1, "name", "string"), (2, "op", "string"), (3, "input", "*string"), (5, "attr", "*Attribute")],
    "Graph": [(1, "node", "*Node")],
}
_DTYPES = {1: np.float32, 3: np.int32}


@dataclass(frozen=True)
class Node:
    """One operation. attributes: lists of integers as tuples, strings as str, a Const's value as array."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, tuple[int, ...] | str | NDArray[Any]]


def read_graph(path: Path) -> list[Node]:
    """Return the nodes of a frozen graph in file order, which is topological.

    Raises EngineError if the file is absent or not a GraphDef.
    """
    graph = _graph_message()()
    try:
        graph.ParseFromString(path.read_bytes())
        nodes = [Node(n.name, n.op, tuple(n.input), {a.key: _value(a.value) for a in n.attr}) for n in graph.node]
    except OSError as error:
        raise EngineError(f"cannot be read: {error.strerror}", where=path) from error
    except (DecodeError, ValueError, KeyError) as error:
        raise EngineError(
            "not a frozen TensorFlow graph, or damaged", where=path, hint="give a complete graph_opt.pb"
        ) from error
    if not nodes:
        raise EngineError("the graph is empty", where=path, hint="give a complete graph_opt.pb")
    return nodes


def _value(value: Any) -> tuple[int, ...] | str | NDArray[Any]:
    if value.HasField("tensor"):
        return _array(value.tensor)
    if value.HasField("list"):
        return tuple(value.list.i)
    return str(value.s.decode())


def _array(tensor: Any) -> NDArray[Any]:
    dtype, content = _DTYPES[tensor.dtype], tensor.tensor_content
    # Only integers, the axes, are written as single values.
    values = np.frombuffer(content, dtype) if content else np.asarray(tensor.int_val, dtype)
    return values.reshape([d.size for d in tensor.tensor_shape.dim])


@lru_cache
def _graph_message() -> Any:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="frozen_graph.proto", package="frozen", syntax="proto3")
    for message, columns in _SCHEMA.items():
        descriptor = file.message_type.add(name=message)
        for number, name, kind in columns:
            label = field.LABEL_REPEATED if kind.startswith("*") else field.LABEL_OPTIONAL
            entry = descriptor.field.add(name=name, number=number, label=label)
            kind = kind.lstrip("*")
            if kind in _SCHEMA:
                entry.type, entry.type_name = field.TYPE_MESSAGE, f".frozen.{kind}"
            else:
                entry.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("frozen.Graph"))
