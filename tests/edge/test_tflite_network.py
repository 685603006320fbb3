"""Parsing, changing and serialising .tflite networks."""

import sys

import numpy as np
import pytest
from tflite_by_hand import without_layers

from edge.contract.errors import EngineError, MissingDependency
from edge.engines.registry import open_engine
from edge.engines.tflite_network import TfliteNetwork


@pytest.fixture
def blazepose(shared_data):
    return shared_data / "models" / "blazepose_lite.tflite"


def test_unused_outputs_are_removed_and_the_others_are_bit_exact(blazepose):
    def first_and_last(path):
        network = TfliteNetwork(path)
        return network.packed({"first": network.outputs[0], "last": network.outputs[-1]})

    whole, part = open_engine(blazepose, threads=1), open_engine(blazepose, threads=1, rewrite=first_and_last)
    # The model card: 39 points of five numbers, presence, a mask of 256x256, heatmaps of 64x64, 39 points in metres.
    assert [s.shape for s in whole.outputs] == [(1, 195), (1, 1), (1, 256, 256, 1), (1, 64, 64, 39), (1, 117)]
    assert [(s.name, s.shape) for s in part.outputs] == [("first", (1, 195)), ("last", (1, 117))]
    assert part.inputs == whole.inputs
    given = {whole.inputs[0].name: np.random.default_rng(1).random((1, 256, 256, 3), np.float32)}
    expected, found = whole.run(given), part.run(given)
    assert np.array_equal(found["first"], expected[whole.outputs[0].name])
    assert np.array_equal(found["last"], expected[whole.outputs[-1].name])


def test_layers_compute_what_their_names_mean(tmp_path):
    def mean_and_largest(path):
        network = TfliteNetwork(path)
        (numbers,) = network.inputs
        rows = network.constant([1], np.int32)
        total = network.layer("SUM", numbers, rows, shape=(2, 1), keepDims=True)
        mean = network.layer("DIV", total, network.constant(3), shape=(2, 1))
        return network.packed({"mean": mean, "largest": network.layer("REDUCE_MAX", numbers, rows, shape=(2,))})

    engine = open_engine(without_layers(tmp_path / "none.tflite", (2, 3)), rewrite=mean_and_largest)
    (given,) = engine.inputs
    found = engine.run({given.name: np.array([[1, 2, 6], [-1, -5, 0]], np.float32)})
    np.testing.assert_allclose(found["mean"], [[3], [-2]])
    assert found["largest"].tolist() == [6, 0]


def test_a_file_of_several_graphs_is_refused(tmp_path):
    with pytest.raises(EngineError, match=r"two\.tflite: layers cannot be added to a network of several graphs"):
        TfliteNetwork(without_layers(tmp_path / "two.tflite", (1, 4), graphs=2))


def test_pictures_are_refused_by_a_network_without_convolutions(tmp_path):
    network = TfliteNetwork(without_layers(tmp_path / "none.tflite", (1, 4, 4, 3)))
    with pytest.raises(EngineError, match=r"none\.tflite: no convolution reads its input"):
        network.take_images(1 / 255)


def test_pictures_are_refused_by_a_network_without_weights(tmp_path):
    def computed_weights(path):
        network = TfliteNetwork(path)
        (picture,) = network.inputs
        weights = network.layer("SUM", picture, network.constant([0], np.int32), shape=(8, 3, 3, 3))
        network.layer("CONV_2D", picture, weights, shape=(1, 4, 4, 8))
        network.take_images(1 / 255)

    with pytest.raises(EngineError, match=r"none\.tflite: LiteRT cannot load it: cannot reshape"):
        open_engine(without_layers(tmp_path / "none.tflite", (1, 4, 4, 3)), rewrite=computed_weights)


def test_without_litert_one_line_says_what_to_install(blazepose, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    with pytest.raises(MissingDependency, match=r"blazepose_lite\.tflite.*skd-edge\[edge\]"):
        TfliteNetwork(blazepose)
