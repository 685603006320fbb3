"""Add layers to a .tflite network, so that the runtime computes them instead of Python.

Source: the schema of .tflite files, whose classes come with LiteRT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from edge.contract.errors import EngineError, importing

_REDUCER = {"SUM": "Reducer", "REDUCE_MAX": "Reducer"}
"""Operators whose options class has another name."""


class TfliteNetwork:
    """The graph of a .tflite file. A tensor is an int, its index in the file.

    path: a file that a runtime has already loaded, because the schema's classes check nothing.
    Raises EngineError if it holds several graphs, MissingDependency without LiteRT.
    """

    def __init__(self, path: Path) -> None:
        needed_for = f"adding layers to {path.name}"
        with importing("ai-edge-litert", needed_for=needed_for, install="pip install 'skd-edge[edge]'"):
            import ai_edge_litert.schema_py_generated as schema
        self.path, self._schema = path, schema
        self._model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
        if len(self._model.subgraphs) != 1:
            raise EngineError("layers cannot be added to a network of several graphs", where=path)
        (self._graph,) = self._model.subgraphs

    @property
    def inputs(self) -> list[int]:
        return list(self._graph.inputs)

    @property
    def outputs(self) -> list[int]:
        return list(self._graph.outputs)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """The shape of a tensor, as the file states it."""
        return tuple(int(n) for n in self._graph.tensors[tensor].shape)

    def constant(self, values: ArrayLike, dtype: DTypeLike = np.float32) -> int:
        array = np.asarray(values, dtype)
        return self._tensor(array.shape, array.dtype, self._buffer(array))

    def layer(self, kind: str, *takes: int, shape: Sequence[int], dtype: DTypeLike = np.float32, **options: Any) -> int:
        """Append a layer; returns its output tensor, of the given shape.

        kind: a name in the schema's BuiltinOperator. options: options of the operator that differ from the defaults.
        """
        result = self._tensor(shape, np.dtype(dtype))
        self._graph.operators.append(self._operator(kind, takes, result, options))
        return result

    def add_input(self, name: str, shape: Sequence[int]) -> int:
        """Add a float32 input."""
        tensor = self._tensor(shape, np.dtype(np.float32), name=name)
        self._graph.inputs = [*self._graph.inputs, tensor]
        return tensor

    def take_images(self, scale: float, offset: float = 0.0) -> None:
        """Replace the only input by "image", (N, H, W, 3) uint8 BGR, as cameras give it.

        The existing layers receive ``scale * bytes + offset``. The input channels of the first convolution's weights
        are reversed, because it expects RGB. Raises EngineError if there is no convolution.
        """
        (floats,) = self._graph.inputs
        images = self._tensor(self.shape(floats), np.dtype(np.uint8), name="image")
        quantization = _new(self._schema.QuantizationParametersT, scale=[scale], zeroPoint=[0])
        self._graph.tensors[images].quantization = quantization
        scaled = self._tensor(self.shape(floats), np.dtype(np.float32)) if offset else floats
        before = [self._operator("DEQUANTIZE", [images], scaled, {})]
        if offset:
            before.append(self._operator("ADD", [scaled, self.constant(offset)], floats, {}))
        self._reverse_channels(floats)
        self._graph.operators[:0] = before
        self._graph.inputs = [images]

    def packed(self, outputs: Mapping[str, int]) -> bytes:
        """Serialise with these outputs, by name, without the layers that none of them needs."""
        import flatbuffers

        graph = self._graph
        graph.outputs = list(outputs.values())
        for name, tensor in outputs.items():
            graph.tensors[tensor].name = name
        needed, layers = set(graph.outputs), []
        for layer in reversed(graph.operators):
            if needed.intersection(layer.outputs):
                needed.update(layer.inputs)
                layers.append(layer)
        graph.operators = layers[::-1]
        # Signatures name inputs and outputs that no longer exist, and are not used here.
        self._model.signatureDefs = []
        builder = flatbuffers.Builder(self.path.stat().st_size)
        builder.Finish(self._model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _reverse_channels(self, read: int) -> None:
        """Reverse the input channels of the first convolution after this tensor; only padding comes between."""
        schema, reached = self._schema, {read}
        for layer in self._graph.operators:
            if not reached.isdisjoint(layer.inputs):
                if self._kind(layer) == schema.BuiltinOperator.CONV_2D:
                    break
                reached.update(layer.outputs)
        else:
            raise EngineError("no convolution reads its input", where=self.path)
        # Weights stored as float16 are converted by a DEQUANTIZE layer.
        dequantised = {other.outputs[0]: other.inputs[0] for other in self._graph.operators}
        index = int(layer.inputs[1])
        weights = self._graph.tensors[dequantised.get(index, index)]
        dtype = np.dtype(np.float16 if weights.type == schema.TensorType.FLOAT16 else np.float32)
        data = self._model.buffers[weights.buffer].data
        values = np.frombuffer(b"" if data is None else bytes(data), dtype).reshape(weights.shape)
        weights.buffer = self._buffer(values[..., ::-1])

    def _kind(self, layer: Any) -> int:
        code = self._model.operatorCodes[layer.opcodeIndex]
        # Older files store the operator code in the deprecated field.
        return int(max(code.builtinCode, code.deprecatedBuiltinCode))

    def _operator(self, kind: str, takes: Sequence[int], result: int, options: dict[str, Any]) -> Any:
        schema, codes = self._schema, self._model.operatorCodes
        builtin = getattr(schema.BuiltinOperator, kind)
        codes.append(_new(schema.OperatorCodeT, builtinCode=builtin, deprecatedBuiltinCode=min(builtin, 127)))
        layer = _new(schema.OperatorT, inputs=list(takes), outputs=[result], opcodeIndex=len(codes) - 1)
        name = _REDUCER.get(kind, kind.title().replace("_", "")) + "Options"
        if hasattr(schema, name + "T"):
            layer.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            layer.builtinOptions = _new(getattr(schema, name + "T"), **options)
        return layer

    def _tensor(self, shape: Sequence[int], dtype: np.dtype[Any], buffer: int = 0, name: str = "") -> int:
        tensors = self._graph.tensors
        kind = getattr(self._schema.TensorType, dtype.name.upper())
        name = name or f"added {len(tensors)}"
        tensors.append(_new(self._schema.TensorT, shape=list(shape), type=kind, buffer=buffer, name=name))
        return len(tensors) - 1

    def _buffer(self, array: NDArray[Any]) -> int:
        data = np.frombuffer(array.tobytes(), np.uint8)
        self._model.buffers.append(_new(self._schema.BufferT, data=data))
        return len(self._model.buffers) - 1


def _new(kind: Any, **fields: Any) -> Any:
    """Create an object of the schema; its classes take no arguments in early LiteRT versions."""
    instance = kind()
    for name, value in fields.items():
        setattr(instance, name, value)
    return instance
