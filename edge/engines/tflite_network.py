"""A .tflite network that layers are added to, so that the runtime computes what Python would have to.

Source: the schema of .tflite files, whose classes come with LiteRT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from edge.contract.errors import EngineError, MissingDependency

_REDUCER = {"SUM": "Reducer", "REDUCE_MAX": "Reducer"}
"""Layers whose options are not called as they are."""


class TfliteNetwork:
    """The graph of a .tflite file. A tensor is an int, its place in the file.

    path: a file that a runtime has read before, since the schema's classes check nothing.
    Raises EngineError where it holds several graphs, and MissingDependency without LiteRT.
    """

    def __init__(self, path: Path) -> None:
        try:
            import ai_edge_litert.schema_py_generated as schema
        except ImportError as error:
            raise MissingDependency(
                "ai-edge-litert",
                needed_for=f"adding layers to {path.name}",
                install="pip install 'skd-edge[edge]'",
                because=error,
            ) from error
        self.path, self._schema = path, schema
        self._model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
        if len(self._model.subgraphs) != 1:
            raise EngineError("a network of several graphs takes no further layers", where=path)
        (self._graph,) = self._model.subgraphs

    @property
    def inputs(self) -> list[int]:
        """Tensors that the network takes."""
        return list(self._graph.inputs)

    @property
    def outputs(self) -> list[int]:
        """Tensors that the network gives."""
        return list(self._graph.outputs)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Of a tensor, as the file has it."""
        return tuple(int(n) for n in self._graph.tensors[tensor].shape)

    def constant(self, values: ArrayLike, dtype: DTypeLike = np.float32) -> int:
        """A tensor of these numbers."""
        array = np.asarray(values, dtype)
        return self._tensor(array.shape, array.dtype, self._buffer(array))

    def layer(self, kind: str, *takes: int, shape: Sequence[int], dtype: DTypeLike = np.float32, **options: Any) -> int:
        """Put a layer behind all others; gives its result, which is of that shape.

        kind: a name in the schema's BuiltinOperator. options: those of the kind's that are not as usual.
        """
        result = self._tensor(shape, np.dtype(dtype))
        self._graph.operators.append(self._operator(kind, takes, result, options))
        return result

    def further_input(self, name: str, shape: Sequence[int]) -> int:
        """One more input, float32."""
        tensor = self._tensor(shape, np.dtype(np.float32), name=name)
        self._graph.inputs = [*self._graph.inputs, tensor]
        return tensor

    def take_images(self, scale: float, offset: float = 0.0) -> None:
        """Make the one input "image", (N, H, W, 3) uint8, blue-green-red, as cameras give it.

        The layers there were are given ``scale * bytes + offset``, and the first convolution's weights change places,
        for it read red-green-blue. Raises EngineError where there is no convolution.
        """
        (floats,) = self._graph.inputs
        images = self._tensor(self.shape(floats), np.dtype(np.uint8), name="image")
        quantization = _made(self._schema.QuantizationParametersT, scale=[scale], zeroPoint=[0])
        self._graph.tensors[images].quantization = quantization
        scaled = self._tensor(self.shape(floats), np.dtype(np.float32)) if offset else floats
        before = [self._operator("DEQUANTIZE", [images], scaled, {})]
        if offset:
            before.append(self._operator("ADD", [scaled, self.constant(offset)], floats, {}))
        self._reverse_channels(floats)
        self._graph.operators[:0] = before
        self._graph.inputs = [images]

    def packed(self, outputs: Mapping[str, int]) -> bytes:
        """A file with these outputs, so called, without the layers that only others need."""
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
        # Signatures name inputs and outputs that are no more, and nothing here asks for them.
        self._model.signatureDefs = []
        builder = flatbuffers.Builder(self.path.stat().st_size)
        builder.Finish(self._model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _reverse_channels(self, read: int) -> None:
        """Of the weights that the first convolution behind this tensor has for it; what lies between adds borders."""
        schema, reached = self._schema, {read}
        for layer in self._graph.operators:
            if not reached.isdisjoint(layer.inputs):
                if self._kind(layer) == schema.BuiltinOperator.CONV_2D:
                    break
                reached.update(layer.outputs)
        else:
            raise EngineError("no convolution reads its input", where=self.path)
        # Kept in 16 bits they are widened by a layer of their own.
        widened = {other.outputs[0]: other.inputs[0] for other in self._graph.operators}
        place = int(layer.inputs[1])
        weights = self._graph.tensors[widened.get(place, place)]
        dtype = np.dtype(np.float16 if weights.type == schema.TensorType.FLOAT16 else np.float32)
        values = np.frombuffer(bytes(self._model.buffers[weights.buffer].data), dtype).reshape(weights.shape)
        weights.buffer = self._buffer(values[..., ::-1])

    def _kind(self, layer: Any) -> int:
        code = self._model.operatorCodes[layer.opcodeIndex]
        # Files of before the 128th kind of layer have it in the second field.
        return int(max(code.builtinCode, code.deprecatedBuiltinCode))

    def _operator(self, kind: str, takes: Sequence[int], result: int, options: dict[str, Any]) -> Any:
        schema, codes = self._schema, self._model.operatorCodes
        builtin = getattr(schema.BuiltinOperator, kind)
        codes.append(_made(schema.OperatorCodeT, builtinCode=builtin, deprecatedBuiltinCode=min(builtin, 127)))
        layer = _made(schema.OperatorT, inputs=list(takes), outputs=[result], opcodeIndex=len(codes) - 1)
        name = _REDUCER.get(kind, kind.title().replace("_", "")) + "Options"
        if hasattr(schema, name + "T"):
            layer.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            layer.builtinOptions = _made(getattr(schema, name + "T"), **options)
        return layer

    def _tensor(self, shape: Sequence[int], dtype: np.dtype[Any], buffer: int = 0, name: str = "") -> int:
        tensors = self._graph.tensors
        kind = getattr(self._schema.TensorType, dtype.name.upper())
        name = name or f"added {len(tensors)}"
        tensors.append(_made(self._schema.TensorT, shape=list(shape), type=kind, buffer=buffer, name=name))
        return len(tensors) - 1

    def _buffer(self, array: NDArray[Any]) -> int:
        data = np.frombuffer(array.tobytes(), np.uint8)
        self._model.buffers.append(_made(self._schema.BufferT, data=data))
        return len(self._model.buffers) - 1


def _made(kind: Any, **fields: Any) -> Any:
    """An object of the schema; early LiteRT's take no arguments."""
    made = kind()
    for name, value in fields.items():
        setattr(made, name, value)
    return made
