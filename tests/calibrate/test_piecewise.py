"""A network run in pieces matches ONNX Runtime on the whole network, also with weights changed in between."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest

from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.piecewise import Piecewise
from calibrate.quantisation.quantise import Quantiser


def as_written(model: onnx.ModelProto, tensor: str, sample: np.ndarray) -> np.ndarray:
    """A tensor of the whole network, run without graph optimisation and so without integer kernels."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.insert(0, onnx.helper.make_tensor_value_info(tensor, 1, None))
    return networks.run_exactly(shown, sample)


@pytest.mark.parametrize("name", ["separable", "student"])
def test_inputs_equal_those_of_the_whole_network(tmp_path: Path, name: str) -> None:
    path = getattr(networks, name)(tmp_path / "network.onnx")
    samples = networks.images(3) if name == "separable" else networks.samples(3)
    model = Quantiser(path, samples, "minmax").quantised([], samples)
    pieces = Piecewise(model, samples)
    for node in Graph(model).nodes("Conv"):
        for given, sample in zip(pieces.input_of(node.name), samples, strict=True):
            np.testing.assert_allclose(given, as_written(model, node.input[0], sample), rtol=1e-4, atol=1e-4)


def test_changed_weights_of_later_nodes_take_effect(tmp_path: Path) -> None:
    samples = networks.images(2)
    model = Quantiser(networks.separable(tmp_path / "s.onnx"), samples, "minmax").quantised([], samples)
    graph, pieces = Graph(model), Piecewise(model, samples)
    for node in graph.nodes("Conv"):
        pieces.input_of(node.name)
        step = graph.producer[node.input[1]].input[1]
        graph.set_constant(step, graph.constants[step] * 0.5)
    last = graph.nodes("Conv")[-1].input[0]
    for given, sample in zip(pieces.input_of(node.name), samples, strict=True):
        np.testing.assert_allclose(given, as_written(model, last, sample), rtol=1e-4, atol=1e-4)
