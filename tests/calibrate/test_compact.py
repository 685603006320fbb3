"""A file without shapes, long names and repeated zeros computes what it did, and its layers are still found by name."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from calibrate.quantisation.compact import compact
from calibrate.quantisation.quantise import Quantiser
from calibrate.tensorrt.rules import violations


@pytest.fixture
def model(tmp_path: Path) -> onnx.ModelProto:
    samples = networks.samples(8)
    return Quantiser(networks.student(tmp_path / "s.onnx"), samples, "minmax").quantised([], samples)


def test_every_logit_is_the_same_to_the_last_bit(model: onnx.ModelProto) -> None:
    small = compact(model)
    onnx.checker.check_model(small, full_check=True)
    assert violations(small) == []
    clips = networks.clips(20, seed=3)
    np.testing.assert_array_equal(networks.run(small, clips), networks.run(model, clips))


def test_what_is_no_number_takes_six_tenths_of_the_bytes_it_took_or_less(model: onnx.ModelProto) -> None:
    def words(network: onnx.ModelProto) -> int:
        return network.ByteSize() - sum(len(i.raw_data) for i in network.graph.initializer)

    assert words(compact(model)) <= 0.6 * words(model)


def test_layers_weights_and_what_layers_give_keep_their_names(model: onnx.ModelProto) -> None:
    def layers(network: onnx.ModelProto) -> list[tuple[str, str]]:
        quantisers = {"QuantizeLinear", "DequantizeLinear"}
        return [(n.name, n.output[0]) for n in network.graph.node if n.op_type not in quantisers]

    def large(network: onnx.ModelProto) -> set[str]:
        return {i.name for i in network.graph.initializer if numpy_helper.to_array(i).ndim > 1}

    small = compact(model)
    assert layers(small) == layers(model)
    assert large(small) == large(model)
    names = [n.name for n in small.graph.node]
    assert len(set(names)) == len(names)


def test_a_step_or_zero_that_is_there_twice_is_kept_once(model: onnx.ModelProto) -> None:
    kept = [numpy_helper.to_array(i) for i in compact(model).graph.initializer]
    seen = {(a.dtype.str, a.shape, a.tobytes()) for a in kept}
    assert len(seen) == len(kept)
    assert sum(a.dtype == np.int8 and a.ndim == 0 for a in kept) == 1


def test_a_name_that_the_network_has_already_is_not_given_again(model: onnx.ModelProto) -> None:
    taken = onnx.ModelProto()
    taken.CopyFrom(model)
    for node in taken.graph.node:
        node.input[:] = ["q0" if name == "x1" else "step0" if name == "mix" else name for name in node.input]
        node.output[:] = ["q0" if name == "x1" else name for name in node.output]
    for initializer in taken.graph.initializer:
        initializer.name = "step0" if initializer.name == "mix" else initializer.name
    clips = networks.clips(5, seed=3)
    np.testing.assert_array_equal(networks.run(compact(taken), clips), networks.run(model, clips))


def test_the_written_file_is_the_small_one(tmp_path: Path) -> None:
    quantiser = Quantiser(networks.student(tmp_path / "s.onnx"), networks.samples(8), "minmax")
    quantiser.write(tmp_path / "s.int8.onnx")
    large = quantiser.quantised([], quantiser.samples)
    assert (tmp_path / "s.int8.onnx").stat().st_size <= compact(large).ByteSize() < large.ByteSize()
