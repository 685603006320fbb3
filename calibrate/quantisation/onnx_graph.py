"""An ONNX graph by its tensors: producer, consumers, constants; and the values of tensors for given samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import helper, numpy_helper, version_converter

from edge.contract.errors import EngineError
from edge.engines.onnx_runtime import cpu_session

Array = NDArray[Any]
Sample = Array | Mapping[str, Array]
"""Inputs of one run: an array for the only input, or arrays by input name."""
_CONSTANT_TYPES = {
    "value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64,
}  # fmt: skip


class Graph:
    """A view of ``model``, valid until nodes are added or rewired.

    producer: tensor -> node. consumers: tensor -> nodes, empty for unknown names. constants: name -> array.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.inputs = {i.name for i in model.graph.input}
        self.outputs = {o.name for o in model.graph.output}
        self.producer = {o: n for n in model.graph.node for o in n.output}
        self.consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self.consumers[name].append(node)
        self._initializers = {i.name: i for i in model.graph.initializer}
        self.constants: dict[str, Array] = {n: numpy_helper.to_array(i) for n, i in self._initializers.items()}

    def nodes(self, *operators: str) -> list[onnx.NodeProto]:
        return [n for n in self.model.graph.node if n.op_type in operators]

    def set_constant(self, name: str, value: Array) -> None:
        """Change a constant, keeping its element type, or add one."""
        if name in self._initializers:
            value = value.astype(self.constants[name].dtype)
            self._initializers[name].CopyFrom(numpy_helper.from_array(np.asarray(value, order="C"), name))
        else:
            self.model.graph.initializer.append(numpy_helper.from_array(value, name))
            self._initializers[name] = self.model.graph.initializer[-1]
        self.constants[name] = value

    def add_to_bias(self, convolution: onnx.NodeProto, shift: Array) -> None:
        """Add ``shift`` (O,) to a convolution's bias, which counts as 0 if there is none."""
        if len(convolution.input) < 3:
            convolution.input.append(f"{convolution.name}.correction")
            self.set_constant(convolution.input[2], np.zeros(len(shift), np.float32))
        self.set_constant(convolution.input[2], self.constants[convolution.input[2]] + shift)

    def producer_of_type(self, tensor: str, operator: str) -> onnx.NodeProto | None:
        """Return the tensor's producer if it is of this operator type."""
        node = self.producer.get(tensor)
        return node if node is not None and node.op_type == operator else None


def read_onnx(source: Path) -> onnx.ModelProto:
    """Read an ONNX file. Raises EngineError if it cannot be read or is not ONNX."""
    try:
        return onnx.load(source)
    except OSError as error:
        raise EngineError(f"cannot be read: {error.strerror or error}", where=source) from error
    except DecodeError as error:
        raise EngineError("is not an ONNX file, or damaged", where=source, hint="copy or export it again") from error
    except (onnx.checker.ValidationError, ValueError) as error:
        why = f"its weights, in a file beside it, cannot be read: {error}"
        raise EngineError(why, where=source, hint="copy both files, or export it again") from error


def valid(source: Path) -> onnx.ModelProto:
    """Read an ONNX file that must pass ONNX's own check. Raises EngineError if it does not."""
    model = read_onnx(source)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise EngineError(f"is not valid ONNX: {error}", where=source, hint="export it again") from error
    return model


def at_least_opset(model: onnx.ModelProto, version: int, hint: str) -> onnx.ModelProto:
    """Return the same function in opset ``version``, or a copy if its opset is newer.

    Raises EngineError with ``hint`` if the ONNX package cannot convert it.
    """
    known = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if known >= version:
        return copied(model)
    try:
        result: onnx.ModelProto = version_converter.convert_version(model, version)
    except (RuntimeError, IndexError, version_converter.ConvertError, onnx.shape_inference.InferenceError) as error:
        raise EngineError(f"opset {known} cannot be converted to {version}: {error}", hint=hint) from error
    result.ir_version = max(result.ir_version, helper.find_min_ir_version_for([helper.make_opsetid("", version)]))
    return result


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of the model."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    return result


def is_quantised(model: onnx.ModelProto) -> bool:
    return any(node.op_type == "QuantizeLinear" for node in model.graph.node)


def runs_in_int8(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether the node is a layer whose activations and weights are dequantised INT8."""
    return node.op_type in {"Conv", "Gemm"} and all(
        graph.producer_of_type(name, "DequantizeLinear") for name in node.input[:2]
    )


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the node's stated attributes by name, as Python values."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def group_of(convolution: onnx.NodeProto) -> int:
    """Return the number of groups of a Conv."""
    return int(attributes(convolution).get("group", 1))


def along_channels(scale: Array, pair: onnx.NodeProto, weight: Array) -> Array:
    """Return the scale of a Q/DQ node in a shape that broadcasts with its weight; a single one is for all of it."""
    shape = [1] * weight.ndim
    if scale.size > 1:
        shape[attributes(pair).get("axis", 1)] = -1
    return scale.reshape(shape)


def set_nodes(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Replace the graph's nodes. They may be its own, in another order."""
    kept = list(nodes)  # before they are deleted
    del model.graph.node[:]
    model.graph.node.extend(kept)


def rename_tensors(nodes: Iterable[onnx.NodeProto], names: Mapping[str, str]) -> None:
    """Rename the nodes' inputs and outputs. names: old -> new."""
    for node in nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def with_initializers(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its numerical Constant nodes as initializers, so that constants have one form."""
    result, kept = copied(model), []
    for node in result.graph.node:
        form, value = next(iter(attributes(node).items() if node.op_type == "Constant" else ()), ("", None))
        if form == "value":
            result.graph.initializer.add().CopyFrom(value)
            result.graph.initializer[-1].name = node.output[0]
        elif form in _CONSTANT_TYPES:
            array = np.array(value, _CONSTANT_TYPES[form])
            result.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        else:
            kept.append(node)
    set_nodes(result, kept)
    return result


def remove_unread_constants(model: onnx.ModelProto) -> None:
    read = _read(model.graph)
    for constant in [c for c in model.graph.initializer if c.name not in read]:
        model.graph.initializer.remove(constant)


def _read(graph: onnx.GraphProto) -> set[str]:
    """Tensors that a graph's nodes, also in branches of an If, and its outputs read."""
    own = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    return own.union(*(_read(a.g) for node in graph.node for a in node.attribute if a.HasField("g")))


def feed(inputs: Collection[str], sample: Sample) -> dict[str, Array]:
    """Return a sample as arrays by input name."""
    if isinstance(sample, Mapping):
        return dict(sample)
    (name,) = inputs
    return {name: sample}


def activations(
    model: onnx.ModelProto, tensors: Collection[str], samples: Sequence[Sample]
) -> Iterator[dict[str, Array]]:
    """Yield the named tensors, which may be inputs, for each sample."""
    graph = Graph(model)
    fed = graph.inputs - set(graph.constants)
    exposed = copied(model)
    inner = sorted(set(tensors) - graph.outputs - fed)
    exposed.graph.output.extend(helper.make_tensor_value_info(t, onnx.TensorProto.FLOAT, None) for t in inner)
    session = cpu_session(exposed.SerializeToString())
    names = [o.name for o in session.get_outputs()]
    for sample in samples:
        given = feed(fed, sample)
        values = dict(zip(names, session.run(None, given), strict=True)) | given
        yield {t: values[t] for t in tensors}


def joined_activations(model: onnx.ModelProto, tensors: Collection[str], samples: Sequence[Sample]) -> dict[str, Array]:
    """Return the named tensors, each concatenated over the samples."""
    parts = list(activations(model, tensors, samples))
    return {name: np.concatenate([part[name] for part in parts]) for name in tensors}
