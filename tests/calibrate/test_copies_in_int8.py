"""Concat and DepthToSpace are quantised once, at their inputs; network outputs are not quantised."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.quantise import Quantiser

node = helper.make_node


def quantised(
    folder: Path,
    nodes: list[onnx.NodeProto],
    weights: dict[str, tuple[int, ...]],
    outputs: tuple[str, ...],
    float_layers: tuple[str, ...] = (),
) -> Graph:
    """Quantise nodes over x (1, 4, 8, 8) with random weights of these shapes."""
    rng = np.random.default_rng(0)
    constants = [
        onnx.numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in weights.items()
    ]
    given = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4, 8, 8])]
    wanted = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "copies", given, wanted, constants)
    model = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    )
    onnx.save(model, folder / "n.onnx")
    images = [rng.standard_normal((1, 4, 8, 8)).astype(np.float32) for _ in range(4)]
    found = Quantiser(folder / "n.onnx", images, "minmax").quantised(float_layers, images)
    onnx.checker.check_model(found, full_check=True)
    return Graph(found)


def relu_of_convolution(name: str) -> list[onnx.NodeProto]:
    return [
        node("Conv", ["x", f"w.{name}"], [f"{name}.sum"], name=name),
        node("Relu", [f"{name}.sum"], [name], name=f"{name}.relu"),
    ]


TWO = {"w.a": (4, 4, 1, 1), "w.b": (2, 4, 1, 1)}


def producers(graph: Graph, tensors: list[str]) -> list[str]:
    return [graph.producer[name].op_type for name in tensors]


def test_upsampled_maps_are_quantised_before_concat_and_interleaving(tmp_path: Path) -> None:
    nodes = [
        *relu_of_convolution("a"),
        node("ConvTranspose", ["a", "w.up"], ["up.sum"], name="up", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", ["up.sum"], ["up"], name="up.relu"),
        node("Conv", ["up", "w.last"], ["map"], name="last"),
    ]
    weights = {"w.a": (4, 4, 1, 1), "w.up": (4, 3, 4, 4), "w.last": (2, 3, 1, 1)}
    graph = quantised(tmp_path, nodes, weights, ("map",))
    (join,), (interleave,) = graph.nodes("Concat"), graph.nodes("DepthToSpace")
    (behind,) = graph.consumers[interleave.output[0]]
    assert behind.op_type == "QuantizeLinear"
    # Quantising again with the same scale changes nothing.
    pairs = [graph.producer[name] for name in [*join.input, *interleave.input]]
    assert len(pairs) == 4 + 1
    assert {(pair.op_type, pair.input[1]) for pair in pairs} == {("DequantizeLinear", behind.input[1])}


def test_nested_concats_share_the_scale_of_the_last(tmp_path: Path) -> None:
    nodes = [
        *relu_of_convolution("a"),
        *relu_of_convolution("b"),
        node("Concat", ["a", "b"], ["inner"], name="inner", axis=1),
        node("Concat", ["inner", "x"], ["outer"], name="outer", axis=1),
        node("Conv", ["outer", "w.last"], ["map"], name="last"),
    ]
    graph = quantised(tmp_path, nodes, {**TWO, "w.last": (2, 10, 1, 1)}, ("map",))
    inner, outer = graph.nodes("Concat")
    (behind,) = graph.consumers[outer.output[0]]
    scales = {graph.producer[name].input[1] for name in [*inner.input, *outer.input]}
    assert producers(graph, [*inner.input, *outer.input]) == ["DequantizeLinear"] * 4
    assert scales == {behind.input[1]}


def test_a_concat_that_a_float_pooling_reads_too_is_not_quantised(tmp_path: Path) -> None:
    nodes = [
        *relu_of_convolution("a"),
        *relu_of_convolution("b"),
        node("Concat", ["a", "b"], ["inner"], name="inner", axis=1),
        node("Concat", ["inner", "x"], ["outer"], name="outer", axis=1),
        node("Conv", ["outer", "w.last"], ["map"], name="last"),
        node("GlobalAveragePool", ["inner"], ["mean"], name="pool"),
    ]
    graph = quantised(tmp_path, nodes, {**TWO, "w.last": (2, 10, 1, 1)}, ("map", "mean"))
    inner, outer = graph.nodes("Concat")
    assert producers(graph, list(inner.input)) == ["Relu", "Relu"]
    assert producers(graph, list(outer.input)) == ["DequantizeLinear", "DequantizeLinear"]


def test_a_concat_that_only_a_float_layer_reads_is_not_quantised(tmp_path: Path) -> None:
    nodes = [
        *relu_of_convolution("a"),
        *relu_of_convolution("b"),
        node("Concat", ["a", "b"], ["all"], name="all", axis=1),
        node("Conv", ["all", "w.last", "w.bias"], ["map"], name="last"),
    ]
    graph = quantised(tmp_path, nodes, {**TWO, "w.last": (2, 6, 1, 1), "w.bias": (2,)}, ("map",), ("last",))
    (join,) = graph.nodes("Concat")
    assert producers(graph, list(join.input)) == ["Relu", "Relu"]


def test_a_concat_read_by_a_convolution_and_another_concat_has_its_own_scale(tmp_path: Path) -> None:
    nodes = [
        *relu_of_convolution("a"),
        *relu_of_convolution("b"),
        node("Concat", ["a", "b"], ["inner"], name="inner", axis=1),
        node("Concat", ["inner", "x"], ["outer"], name="outer", axis=1),
        node("Conv", ["outer", "w.last"], ["map"], name="last"),
        node("Conv", ["inner", "w.other"], ["other"], name="other"),
    ]
    weights = {**TWO, "w.last": (2, 10, 1, 1), "w.other": (2, 6, 1, 1)}
    graph = quantised(tmp_path, nodes, weights, ("map", "other"))
    inner, outer = graph.nodes("Concat")
    read = {n.name: graph.producer[n.input[0]].input[1] for n in graph.nodes("Conv")}
    assert {graph.producer[name].input[1] for name in inner.input} == {read["other"]}
    assert {graph.producer[name].input[1] for name in outer.input} == {read["last"]}
    assert read["last"] != read["other"]


def test_a_concat_that_is_a_network_output_is_not_quantised(tmp_path: Path) -> None:
    nodes = [
        *relu_of_convolution("a"),
        *relu_of_convolution("b"),
        node("Concat", ["a", "b"], ["all"], name="all", axis=1),
        node("Conv", ["all", "w.last"], ["map"], name="last"),
    ]
    graph = quantised(tmp_path, nodes, {**TWO, "w.last": (2, 6, 1, 1)}, ("all", "map"))
    (join,) = graph.nodes("Concat")
    assert join.output[0] == "all" and producers(graph, list(join.input)) == ["Relu", "Relu"]


@pytest.mark.parametrize("passes", ["a.sum", "a"], ids=["convolution", "ReLU"])
def test_an_output_that_a_convolution_reads_too_is_not_quantised(tmp_path: Path, passes: str) -> None:
    """Such as heatmaps that a next stage refines: INT8 would move their peaks."""
    nodes = [*relu_of_convolution("a"), node("Conv", [passes, "w.last"], ["map"], name="last")]
    graph = quantised(tmp_path, nodes, {"w.a": (4, 4, 1, 1), "w.last": (2, 4, 1, 1)}, (passes, "map"))
    exact = graph.producer[passes]
    assert exact.op_type in ("Conv", "Relu")
    if exact.op_type == "Relu":
        assert producers(graph, [exact.input[0]]) == ["Conv"]
    last = next(n for n in graph.nodes("Conv") if n.name == "last")
    pair = graph.producer[last.input[0]]
    assert pair.op_type == "DequantizeLinear" and graph.producer[pair.input[0]].input[0] == passes


def test_a_float_layer_that_reads_what_an_int8_layer_reads_is_not_corrected(tmp_path: Path) -> None:
    nodes = [*relu_of_convolution("a"), *(node("Conv", ["a", f"w.{n}"], [n], name=n) for n in ("last", "other"))]
    shapes = {"w.a": (4, 4, 1, 1), "w.last": (2, 4, 1, 1), "w.other": (2, 4, 1, 1)}
    graph = quantised(tmp_path, nodes, shapes, ("last", "other"), ("other",))
    last, other = (next(n for n in graph.nodes("Conv") if n.name == name) for name in ("last", "other"))
    assert producers(graph, list(last.input[:2])) == ["DequantizeLinear"] * 2 and len(last.input) == 3
    assert other.input[1:] == ["w.other"]
