"""INT8 networks of a stream are calibrated on what a device would feed them."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest

from calibrate.quantisation.onnx_graph import Graph
from calibrate.stream import write_int8_stream


@pytest.mark.parametrize("largest", range(4))
def test_ranges_cover_every_step_of_a_stream_with_a_past(tmp_path: Path, largest: int) -> None:
    """Of two clips of two steps, one of which is the largest."""
    model = onnx.load(networks.stream(tmp_path / "stream.4.onnx"))
    classifier = model.graph.node.pop()
    classifier.input[0] = "read"  # sums stay in floating point
    model.graph.node.extend([onnx.helper.make_node("Flatten", ["past.next"], ["read"]), classifier])
    onnx.save(model, tmp_path / "stream.4.onnx")
    steps = np.random.default_rng(0).standard_normal((2, 2, 3, 4, networks.JOINTS, 1)).astype(np.float32)
    steps[divmod(largest, 2)] += 3
    write_int8_stream(tmp_path, np.concatenate([steps[:, 0], steps[:, 1]], axis=2), "minmax")
    past, reached = np.zeros(3), []
    for step in steps.reshape(4, 3, -1):
        past = past / 2 + step.sum(axis=1)
        reached.append(np.abs(past).max())
    graph = Graph(onnx.load(tmp_path / "stream.4.int8.onnx"))
    (quantize,) = graph.nodes("QuantizeLinear")
    assert quantize.input[0] == "read"
    assert 127 * graph.constants[quantize.input[1]] == pytest.approx(max(reached), rel=1e-5)
