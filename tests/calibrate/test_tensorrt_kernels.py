"""The kernels that TensorRT's own compiler makes of Q/DQ pairs: INT8, with quantisation fused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import networks
import onnx
import pytest

from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.quantise import Quantiser

pytest.importorskip("tensorrt_rtx", reason="pip install 'skd-edge[dev]'")
HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
SHIPPED = ROOT / "bundles" / "everyday" / "student.int8.onnx"


def kernels(network: Path) -> list[dict]:
    command = [sys.executable, str(HERE / "tensorrt_kernels.py"), str(network), "SM86"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def convolutions_in_eight_bits(model: onnx.ModelProto) -> set[str]:
    graph = Graph(model)
    return {n.name for n in graph.nodes("Conv") if graph.producer_of_type(n.input[1], "DequantizeLinear") is not None}


def rounds(node: str) -> bool:
    """Named by the quantiser's last step: q12, d12."""
    return node[:1] in {"q", "d"} and node[1:].isdigit()


@pytest.fixture(scope="module")
def shipped() -> list[dict]:
    return kernels(SHIPPED)


def test_every_convolution_with_int8_weights_is_an_int8_kernel(shipped: list[dict]) -> None:
    wanted = convolutions_in_eight_bits(onnx.load(SHIPPED))
    found = {node for k in shipped if k["kind"] == "correlation" and set(k["reads"]) == {"Int8"} for node in k["nodes"]}
    assert len(wanted) > 5 and wanted <= found


def test_float_layers_are_not_int8_kernels(shipped: list[dict]) -> None:
    model = onnx.load(SHIPPED)
    stays = {n.name for n in model.graph.node if n.op_type == "Conv"} - convolutions_in_eight_bits(model)
    reads = [set(k["reads"]) for k in shipped if k["kind"] == "correlation" and stays & set(k["nodes"])]
    assert len(reads) == len(stays) and all(types == {"Float"} for types in reads)


def test_quantisation_is_fused_unless_it_follows_a_float_layer(shipped: list[dict]) -> None:
    """A float layer, or the graph aggregation, whose result is transposed anyway."""
    model = onnx.load(SHIPPED)
    stays = {n.name for n in model.graph.node if n.op_type == "MatMul"}
    stays |= {n.name for n in model.graph.node if n.op_type == "Conv"} - convolutions_in_eight_bits(model)
    alone = [place for place, kernel in enumerate(shipped) if kernel["nodes"] and all(map(rounds, kernel["nodes"]))]
    assert all(stays & set(shipped[place - 1]["nodes"]) for place in alone)


def test_a_residual_sum_its_relu_and_requantisation_are_one_kernel(tmp_path: Path) -> None:
    clips = networks.clips(8)
    network = networks.student(tmp_path / "student.onnx")
    Quantiser(network, [clips[i : i + 1] for i in range(8)], "minmax").write(tmp_path / "student.int8.onnx")
    (sum_,) = [k for k in kernels(tmp_path / "student.int8.onnx") if "residual" in k["nodes"]]
    assert sum_["kind"] == "kgen" and "temporal" in sum_["nodes"]
