"""Small hand-made ONNX networks with the inputs and outputs of the real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

FRAMES, JOINTS, CLASSES = 16, 17, 4


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: dict[str, NDArray[np.generic]],
    shapes: tuple[tuple[str, list[int | str]], tuple[str, list[int | str]]],
    opset: int = 17,
) -> Path:
    """Write a float32 network with one input and one output, each (name, shape)."""
    (given, given_shape), (wanted, wanted_shape) = shapes
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(given, TensorProto.FLOAT, given_shape)],
        [helper.make_tensor_value_info(wanted, TensorProto.FLOAT, wanted_shape)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    return path


def student(path: Path, seed: int = 0, frames: int = FRAMES, joints: int = JOINTS) -> Path:
    """A graph convolution with a residual: clip (N, 3, T, V, 1) -> logits (N, 4)."""
    rng = np.random.default_rng(seed)

    def weight(*shape: int) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    nodes = [
        helper.make_node("Squeeze", ["clip", "last"], ["x0"]),
        helper.make_node("Conv", ["x0", "w1", "b1"], ["c1"], name="stem"),
        helper.make_node("Relu", ["c1"], ["x1"]),
        helper.make_node("MatMul", ["x1", "mix"], ["m1"], name="mix_joints"),
        helper.make_node("Conv", ["m1", "w2", "b2"], ["c2"], name="spatial"),
        helper.make_node("Relu", ["c2"], ["x2"]),
        helper.make_node("Conv", ["x2", "w3", "b3"], ["c3"], name="temporal", pads=[2, 0, 2, 0]),
        helper.make_node("Add", ["c3", "x1"], ["a3"], name="residual"),
        helper.make_node("Relu", ["a3"], ["x3"]),
        helper.make_node("GlobalAveragePool", ["x3"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["logits"], name="classifier", transB=1),
    ]
    weights = {
        "last": np.array([4], np.int64),
        "w1": weight(16, 3, 1, 1),
        "b1": weight(16),
        "mix": weight(joints, joints),
        "w2": weight(16, 16, 1, 1),
        "b2": weight(16),
        "w3": weight(16, 16, 5, 1),
        "b3": weight(16),
        "w4": 8 * weight(CLASSES, 16),
        "b4": weight(CLASSES),
    }
    return save(path, nodes, weights, (("clip", ["n", 3, frames, joints, 1]), ("logits", ["n", CLASSES])))


def stream(path: Path, joints: int = JOINTS, frames: int = 4) -> Path:
    """A streaming student: past.next = past / 2 + sums of the channels, logits = weights @ past.next."""
    rng = np.random.default_rng(2)
    nodes = [
        helper.make_node("ReduceSum", ["frame", "axes"], ["sums"], keepdims=0),
        helper.make_node("Mul", ["past", "half"], ["faded"]),
        helper.make_node("Add", ["faded", "sums"], ["past.next"]),
        helper.make_node("Gemm", ["past.next", "weights"], ["logits"], name="classifier", transB=1),
    ]
    weights = {
        "axes": np.array([2, 3, 4], np.int64),
        "half": np.array(0.5, np.float32),
        "weights": (rng.standard_normal((CLASSES, 3)) / 20).astype(np.float32),
    }
    past: list[int | str] = [1, 3]
    frame: list[int | str] = [1, 3, frames, joints, 1]
    given = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("frame", frame), ("past", past))]
    wanted = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (("logits", [1, CLASSES]), ("past.next", past))
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "stream", given, wanted, constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    return path


def branches(path: Path) -> Path:
    """Two alike branches on one tensor, as in pose networks: image (1, 3, 16, 16) -> map (1, 8, 16, 16)."""
    rng = np.random.default_rng(3)
    sizes = {"stem": (16, 3), "left1": (16, 16), "left2": (4, 16), "right1": (16, 16), "right2": (4, 16)}
    weights = {name: (rng.standard_normal((*size, 3, 3)) / 12).astype(np.float32) for name, size in sizes.items()}
    read = {"stem": "image", "left1": "stem.r", "left2": "left1.r", "right1": "stem.r", "right2": "right1.r"}
    nodes = []
    for name, tensor in read.items():
        nodes.append(helper.make_node("Conv", [tensor, name], [f"{name}.c"], name=f"{name}.conv", pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"{name}.c"], [f"{name}.r"], name=f"{name}.relu"))
    nodes.append(helper.make_node("Concat", ["left2.r", "right2.r"], ["map"], name="map", axis=1))
    return save(path, nodes, weights, (("image", [1, 3, 16, 16]), ("map", [1, 8, 16, 16])))


def clips(count: int, seed: int = 1) -> NDArray[np.float32]:
    """(count, 3, T, V, 1) noise, with an offset per clip and channel so that decisions differ."""
    rng = np.random.default_rng(seed)
    shape = (count, 3, FRAMES, JOINTS, 1)
    offset = 2 * rng.standard_normal((count, 3, 1, 1, 1))
    return (offset + rng.standard_normal(shape)).astype(np.float32)


def samples(count: int, seed: int = 1) -> list[NDArray[np.float32]]:
    """The same as a list of arrays (1, 3, T, V, 1)."""
    return list(clips(count, seed)[:, None])


def run(model: Path | onnx.ModelProto, array: NDArray[Any]) -> NDArray[Any]:
    """The first output, computed by ONNX Runtime."""
    session = ort.InferenceSession(model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model))
    return session.run(None, {session.get_inputs()[0].name: array})[0]


def images(count: int) -> list[NDArray[np.float32]]:
    """Noise for :func:`separable`, and for other networks with an input of (1, 3, 16, 16)."""
    return [np.random.default_rng(i).standard_normal((1, 3, 16, 16)).astype(np.float32) for i in range(count)]


def run_exactly(model: onnx.ModelProto, array: NDArray[Any]) -> NDArray[Any]:
    """Run without graph optimisation and so without integer kernels."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {session.get_inputs()[0].name: array})[0]


def separable(path: Path) -> Path:
    """A MobileNet-like block whose channels differ a thousandfold: image (1, 3, 16, 16) -> map (1, 2, 16, 16)."""
    rng = np.random.default_rng(3)
    loud = np.logspace(-1.5, 1.5, 8).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], name="first"),
        helper.make_node("Relu", ["c1"], ["x1"]),
        helper.make_node("Conv", ["x1", "w2"], ["c2"], name="depthwise", group=8, pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["c2", "w3", "b3"], ["c3"], name="pointwise"),
        helper.make_node("Relu", ["c3"], ["x3"]),
        helper.make_node("Concat", ["x3", "x1"], ["all"], axis=1),
        helper.make_node("Conv", ["all", "w4"], ["map"], name="last"),
    ]
    weights = {
        "w1": (rng.standard_normal((8, 3, 1, 1)) * loud[:, None, None, None]).astype(np.float32),
        "b1": (0.1 * rng.standard_normal(8) * loud).astype(np.float32),
        "w2": (rng.standard_normal((8, 1, 3, 3)) / loud[:, None, None, None]).astype(np.float32),
        "w3": rng.standard_normal((6, 8, 1, 1)).astype(np.float32),
        # The first channel is far below zero. ReLU drops it; a step that covered it would be too coarse for the others.
        "b3": np.array([-4000, 0, 0, 0, 0, 0], np.float32),
        "w4": np.concatenate(
            [rng.standard_normal((2, 6, 1, 1)), rng.standard_normal((2, 8, 1, 1)) / loud[:, None, None]], axis=1
        ).astype(np.float32),
    }
    return save(path, nodes, weights, (("image", [1, 3, 16, 16]), ("map", [1, 2, 16, 16])))
