"""Networks with an If, whose branches read constants of the whole network."""

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from calibrate.tensorrt.qdq_fusion import fusible, weights_in_float


def test_an_engines_network_keeps_what_only_branches_and_outputs_read() -> None:
    given, least = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("x", "least"))
    branches = {
        name: helper.make_graph(
            [helper.make_node(operator, ["x", "steps"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3])],
        )
        for name, operator in (("then_branch", "Add"), ("else_branch", "Mul"))
    }
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Greater", ["largest", "limit"], ["above"]),
        helper.make_node("If", ["above"], ["y"], **branches),
    ]
    constants = {"steps": np.arange(3, dtype=np.float32), "limit": np.float32(5), "least": np.ones(3, np.float32)}
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    results = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3]), least]
    graph = helper.make_graph(nodes, "branches", [given], results, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(weights_in_float(fusible(model)).SerializeToString())
    for x, wanted in (([1, 2, 3], [0, 2, 6]), ([7, 8, 9], [7, 9, 11])):
        found = session.run(None, {"x": np.array(x, np.float32)})
        np.testing.assert_array_equal(found, [wanted, [1, 1, 1]])
