"""A compacted file computes the same, and its layers keep their names."""

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


def test_logits_are_bit_identical(model: onnx.ModelProto) -> None:
    small = compact(model)
    onnx.checker.check_model(small, full_check=True)
    assert violations(small) == []
    clips = networks.clips(20, seed=3)
    np.testing.assert_array_equal(networks.run(small, clips), networks.run(model, clips))


def test_everything_but_weights_shrinks_to_60_percent_or_less(model: onnx.ModelProto) -> None:
    def words(network: onnx.ModelProto) -> int:
        return network.ByteSize() - sum(len(i.raw_data) for i in network.graph.initializer)

    assert words(compact(model)) <= 0.6 * words(model)


def test_layers_their_outputs_and_weights_keep_their_names(model: onnx.ModelProto) -> None:
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


def test_equal_scales_and_zero_points_are_stored_once(model: onnx.ModelProto) -> None:
    kept = [numpy_helper.to_array(i) for i in compact(model).graph.initializer]
    seen = {(a.dtype.str, a.shape, a.tobytes()) for a in kept}
    assert len(seen) == len(kept)
    assert sum(a.dtype == np.int8 and a.ndim == 0 for a in kept) == 1


def test_short_names_do_not_collide_with_existing_ones(model: onnx.ModelProto) -> None:
    short = {node.op_type: node.output[0] for node in compact(model).graph.node}
    renamed = {"clip": short["QuantizeLinear"], "x1": short["DequantizeLinear"], "mix": "step0"}
    taken = onnx.ModelProto()
    taken.CopyFrom(model)
    for node in taken.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for named in (*taken.graph.initializer, *taken.graph.input):
        named.name = renamed.get(named.name, named.name)
    clips = networks.clips(5, seed=3)
    np.testing.assert_array_equal(networks.run(compact(taken), clips), networks.run(model, clips))


def test_the_written_file_is_compacted(tmp_path: Path) -> None:
    quantiser = Quantiser(networks.student(tmp_path / "s.onnx"), networks.samples(8), "minmax")
    quantiser.write(tmp_path / "s.int8.onnx")
    large = quantiser.quantised([], quantiser.samples)
    assert (tmp_path / "s.int8.onnx").stat().st_size <= compact(large).ByteSize() < large.ByteSize()
