"""INT8 networks of the comparison: which layers stay in floating point, and their reported number."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest

from benchmarks.peers import quantised


def in_floating_point(path: Path) -> list[bool]:
    """For each convolution and Gemm in graph order: whether its weights are not dequantised."""
    graph = onnx.load(path).graph
    dequantised = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    return [node.input[1] not in dequantised for node in graph.node if node.op_type in ("Conv", "Gemm")]


@pytest.mark.parametrize(
    ("share", "kept"),
    [(0.01, [True, False, False, False]), (10.0, [True, True, True, True])],
    ids=["no room", "room for all"],
)
def test_the_first_layer_stays_in_floating_point_and_others_if_the_file_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, kept: list[bool]
) -> None:
    monkeypatch.setattr(quantised, "MAX_SIZE", share)
    whole, small = networks.student(tmp_path / "student.onnx"), tmp_path / "student.int8.onnx"
    clips = np.stack(networks.samples(24))[:, 0]
    assert quantised.write_int8(whole, small, clips[:16], clips[16:], "minmax") == sum(kept)
    assert in_floating_point(small) == kept
