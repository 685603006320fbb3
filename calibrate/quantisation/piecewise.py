"""Run a network up to a chosen node, each node once, while the weights of later nodes still change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import onnx
from onnx import helper

from calibrate.quantisation.onnx_graph import Array, Sample, feed
from edge.engines.onnx_runtime import cpu_session


class Piecewise:
    """Runs ``model`` on some samples as far as requested, no node twice.

    Constants of nodes that have not run may change between calls; nodes may not be added. INT8 layers are computed in
    floating point from the rounded values of their Q/DQ pairs.
    """

    def __init__(self, model: onnx.ModelProto, samples: Sequence[Sample]) -> None:
        self._model = model
        graph = onnx.shape_inference.infer_shapes(model).graph
        values = [*graph.value_info, *graph.input, *graph.output]
        self._types = {v.name: v.type.tensor_type.elem_type for v in values}
        constants = {i.name for i in graph.initializer}
        # A DequantizeLinear of weights may come early in the graph; it must run with its convolution, not before.
        self._of_constants = {n.output[0]: n for n in graph.node if set(n.input) <= constants}
        fed = {i.name for i in graph.input} - constants
        self._live: list[dict[str, Array]] = [feed(fed, sample) for sample in samples]
        self._consumers: dict[str, set[str]] = defaultdict(set)
        for node in graph.node:
            for name in node.input:
                self._consumers[name].add(node.output[0])
        self._done: set[str] = set()

    def input_of(self, name: str) -> list[Array]:
        """Return the first input of the named node for each sample, after running the nodes it depends on."""
        nodes = self._model.graph.node
        (wanted,) = [node.input[0] for node in nodes if node.name == name]
        known = set(self._live[0])
        missing, piece = {wanted} - known, list[onnx.NodeProto]()
        for node in reversed(nodes):
            if missing & set(node.output) and node.output[0] not in self._of_constants:
                missing |= set(node.input) - known
                piece.insert(0, node)
        if piece:
            self._run(piece)
        return [live[wanted] for live in self._live]

    def _run(self, piece: list[onnx.NodeProto]) -> None:
        self._done |= {node.output[0] for node in piece}
        read = {name for node in piece for name in node.input}
        made = {name for node in piece for name in node.output}
        nodes = [*(node for output, node in self._of_constants.items() if output in read), *piece]
        constants = {name for node in nodes for name in node.input}
        given = sorted(read & set(self._live[0]))
        wanted = sorted(name for name in made if self._consumers[name] - self._done)
        graph = helper.make_graph(
            nodes,
            "piece",
            [helper.make_tensor_value_info(name, self._types[name], None) for name in given],
            [helper.make_tensor_value_info(name, self._types[name], None) for name in wanted],
            [i for i in self._model.graph.initializer if i.name in constants],
        )
        model = helper.make_model(graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version)
        session = cpu_session(model.SerializeToString())
        for position, live in enumerate(self._live):
            results = session.run(wanted, {name: live[name] for name in given})
            kept = {name: value for name, value in live.items() if self._consumers[name] - self._done}
            self._live[position] = kept | dict(zip(wanted, results, strict=True))
