"""A network run in pieces matches ONNX Runtime on the whole network, also with weights changed in between."""

from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.piecewise import Piecewise
from calibrate.quantisation.quantise import Quantiser


def images(count: int) -> list[np.ndarray]:
    return [np.random.default_rng(i).standard_normal((1, 3, 16, 16)).astype(np.float32) for i in range(count)]


def as_written(model: onnx.ModelProto, tensor: str, sample: np.ndarray) -> np.ndarray:
    """A tensor of the whole network, run without graph optimisation and so without integer kernels."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.append(onnx.helper.make_tensor_value_info(tensor, 1, None))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(shown.SerializeToString(), options)
    return session.run([tensor], {session.get_inputs()[0].name: sample})[0]


@pytest.mark.parametrize("name", ["separable", "student"])
def test_inputs_equal_those_of_the_whole_network(tmp_path: Path, name: str) -> None:
    path = getattr(networks, name)(tmp_path / "network.onnx")
    samples = images(3) if name == "separable" else networks.samples(3)
    model = Quantiser(path, samples, "minmax").quantised([], samples)
    pieces = Piecewise(model, samples)
    for node in Graph(model).nodes("Conv"):
        for given, sample in zip(pieces.input_of(node.name), samples, strict=True):
            np.testing.assert_allclose(given, as_written(model, node.input[0], sample), rtol=1e-4, atol=1e-4)


def test_changed_weights_of_later_nodes_take_effect(tmp_path: Path) -> None:
    samples = images(2)
    model = Quantiser(networks.separable(tmp_path / "s.onnx"), samples, "minmax").quantised([], samples)
    graph, pieces = Graph(model), Piecewise(model, samples)
    for node in graph.nodes("Conv"):
        pieces.input_of(node.name)
        step = graph.producer[node.input[1]].input[1]
        graph.set_constant(step, graph.constants[step] * 0.5)
    last = graph.nodes("Conv")[-1].input[0]
    for given, sample in zip(pieces.input_of(node.name), samples, strict=True):
        np.testing.assert_allclose(given, as_written(model, last, sample), rtol=1e-4, atol=1e-4)
