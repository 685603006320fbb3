"""What TensorRT gets: the pairs that it fuses, and one for all readers of a tensor."""

from collections import Counter
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from int8_networks import residual, separable, student

from calibrate.quantisation.onnx_graph import Graph
from calibrate.tensorrt.qdq_fusion import fusible, shared

__all__ = ["separable", "student"]


def test_tensorrt_gets_no_pair_between_convolution_and_relu(student: onnx.ModelProto) -> None:
    model = fusible(student)
    onnx.checker.check_model(model, full_check=True)
    graph = Graph(model)
    assert [graph.producer[r.input[0]].op_type for r in graph.nodes("Relu")] == ["Conv", "Conv", "Add"]
    assert set(graph.constants) == {name for n in model.graph.node for name in n.input} & set(graph.constants)


def test_tensorrt_gets_a_pair_on_the_residual_input_only_and_one_for_all_readers(tmp_path: Path) -> None:
    graph = Graph(fusible(residual(tmp_path, mixed=False)))
    (addition,) = graph.nodes("Add")
    assert Counter(graph.producer[i].op_type for i in addition.input) == {"Conv": 1, "DequantizeLinear": 1}
    assert set(Counter(quantize.input[0] for quantize in graph.nodes("QuantizeLinear")).values()) == {1}


@pytest.mark.parametrize("behind", ["nothing", "a product", "a pair"])
@pytest.mark.parametrize(
    ("inputs", "read"),
    [
        (("conv1", "conv2"), ["Conv", "DequantizeLinear"]),
        (("conv1", "add1"), ["Conv", "DequantizeLinear"]),
        (("add1", "conv1"), ["DequantizeLinear", "Conv"]),
        (("add1", "add2"), ["DequantizeLinear", "DequantizeLinear"]),
    ],
)
def test_tensorrt_fuses_a_sum_with_a_convolution_and_reads_the_rest_in_the_type_of_its_result(
    tmp_path: Path, inputs: tuple[str, str], read: list[str], behind: str
) -> None:
    node = networks.helper.make_node
    nodes = [
        *(node("Conv", ["x", "w"], [f"conv{n}"]) for n in (1, 2)),
        *(node("Add", ["x", "x"], [f"add{n}"]) for n in (1, 2)),
        *(node("QuantizeLinear", [name, f"{name}.step", "zero"], [f"{name}.eight"]) for name in inputs),
        *(node("DequantizeLinear", [f"{name}.eight", f"{name}.step", "zero"], [f"{name}.dq"]) for name in inputs),
        node("Add", [f"{name}.dq" for name in inputs], ["sum" if behind != "nothing" else "y"], name="sum"),
    ]
    if behind != "nothing":
        nodes += [
            node("Relu", ["sum"], ["positive"]),
            node("QuantizeLinear", ["positive", "add1.step", "zero"], ["eight"]),
            node("DequantizeLinear", ["eight", "add1.step", "zero"], ["y"]),
        ]
    if behind == "a product":
        nodes += [node("MatMul", ["positive", "positive"], ["mixed"]), node("Mul", ["y", "mixed"], ["z"])]
    weights = {"w": np.ones((1, 1, 1, 1), np.float32), "zero": np.int8(0)}
    weights |= {f"{name}.step": np.float32(0.1) for name in (*inputs, "add1")}
    output = "z" if behind == "a product" else "y"
    path = networks.save(tmp_path / "sum.onnx", nodes, weights, (("x", [1, 1, 2, 2]), (output, [1, 1, 2, 2])))
    graph = Graph(fusible(onnx.load(path)))
    (addition,) = (n for n in graph.nodes("Add") if n.name == "sum")
    in_float = [name.rstrip("12").capitalize() for name in inputs]
    assert [graph.producer[name].op_type for name in addition.input] == (read if behind == "a pair" else in_float)


def test_removing_the_pairs_before_relu_changes_no_value(separable: onnx.ModelProto) -> None:
    image = np.random.default_rng(5).standard_normal((1, 3, 16, 16)).astype(np.float32)
    assert len(fusible(separable).graph.node) < len(separable.graph.node)
    np.testing.assert_allclose(
        networks.run_exactly(fusible(separable), image), networks.run_exactly(separable, image), rtol=1e-5, atol=1e-5
    )


def readers(model: onnx.ModelProto) -> list[int]:
    """The number of readers of each pair."""
    graph = Graph(model)
    return [len(graph.consumers[d.output[0]]) for d in graph.nodes("DequantizeLinear")]


def test_each_reader_has_its_own_pair_and_tensorrt_gets_one_per_tensor(tmp_path: Path) -> None:
    model = residual(tmp_path, mixed=False)
    assert set(readers(model)) == {1}
    assert max(readers(shared(model))) > 1
    image = np.random.default_rng(7).standard_normal((1, 3, 4, 6)).astype(np.float32)
    np.testing.assert_array_equal(networks.run_exactly(shared(model), image), networks.run_exactly(model, image))


def test_only_equal_quantising_nodes_are_merged_and_outputs_are_kept(tmp_path: Path) -> None:
    node, whole = networks.helper.make_node, ["step", "zero"]
    nodes = [
        *(node("QuantizeLinear", ["x", *whole], [f"{name}.eight"]) for name in "ab"),
        *(node("DequantizeLinear", [f"{name}.eight", *whole], [name]) for name in "ab"),
        *(node("DequantizeLinear", ["w", "steps", "zeros"], [f"w{axis}"], axis=axis) for axis in (0, 1)),
        *(node("MaxPool", ["x"], [f"m{n}"], kernel_shape=[n, n], pads=[n // 2] * 4) for n in (1, 3)),
        node("Sum", ["m1", "m3", "w0", "w1"], ["y"]),
    ]
    weights = {"step": np.float32(0.1), "zero": np.int8(0), "w": np.eye(4, dtype=np.int8)}
    weights |= {"steps": np.arange(1, 5, dtype=np.float32), "zeros": np.zeros(4, np.int8)}
    shape = [1, 1, 4, 4]
    model = onnx.load(networks.save(tmp_path / "n.onnx", nodes, weights, (("x", shape), ("a", shape))))
    model.graph.output.extend(onnx.helper.make_tensor_value_info(o, onnx.TensorProto.FLOAT, shape) for o in "by")
    merged = Counter(n.op_type for n in shared(model).graph.node)
    assert merged == {"QuantizeLinear": 1, "DequantizeLinear": 4, "MaxPool": 2, "Sum": 1}
