from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from calibrate.quantisation.quantise import Quantiser
from calibrate.tensorrt.qdq_fusion import weights_in_float


@pytest.mark.parametrize("zero_point", [True, False])
@pytest.mark.parametrize(("rows", "axis"), [(16, None), (16, 0), (16, 1), (16, -1), (1, None)])
def test_float_weights_become_the_same_integers(rows: int, axis: int | None, zero_point: bool) -> None:
    """All 255, by scales of many magnitudes; along the first axis, a later one, or one scale for all.

    A single row is a vector, whose scale may be one of a single element.
    """
    rng = np.random.default_rng(0)
    integers = rng.permuted(np.tile(np.arange(-127, 128, dtype=np.int8), (rows, 1)), axis=1)
    shape = () if axis is None else (integers.shape[axis],)
    if rows == 1:
        integers, shape = integers[0], (1,)
    scale = (10 ** rng.uniform(-30, 5, shape)).astype(np.float32)
    zero = np.zeros(shape, np.int8)
    stated = {} if axis in (None, 1) else {"axis": axis}  # 1 is ONNX's default
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("DequantizeLinear", ["w", "s", "z"][: 2 + zero_point], ["y"], name="d", **stated)],
        "weight",
        [],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, integers.shape)],
        [onnx.numpy_helper.from_array(array, name) for name, array in (("w", integers), ("s", scale), ("z", zero))],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    given = weights_in_float(model)
    onnx.checker.check_model(given, full_check=True)
    assert [n.op_type for n in given.graph.node] == ["QuantizeLinear", "DequantizeLinear"]
    stored = {i.name for i in given.graph.initializer if i.data_type == onnx.TensorProto.INT8}
    assert stored == ({"z"} if zero_point else {"y.zero"})
    given.graph.output.append(
        onnx.helper.make_tensor_value_info(given.graph.node[0].output[0], onnx.TensorProto.INT8, integers.shape)
    )
    weight, found = ort.InferenceSession(given.SerializeToString()).run(None, {})
    np.testing.assert_array_equal(found, integers)
    np.testing.assert_array_equal(weight, ort.InferenceSession(model.SerializeToString()).run(None, {})[0])


def test_a_network_with_float_weights_gives_the_same(tmp_path: Path) -> None:
    samples = networks.samples(16)
    student = Quantiser(networks.student(tmp_path / "s.onnx"), samples, "minmax").quantised([], samples)
    given, clip = weights_in_float(student), samples[0]
    np.testing.assert_array_equal(networks.run_exactly(given, clip), networks.run_exactly(student, clip))
    stored = [i for i in given.graph.initializer if i.data_type == onnx.TensorProto.INT8]
    assert stored and all(len(i.dims) <= 1 and not any(onnx.numpy_helper.to_array(i).ravel()) for i in stored)
