"""Small networks in INT8, as :class:`calibrate.quantisation.quantise.Quantiser` writes them."""

from pathlib import Path

import networks
import numpy as np
import onnx
import pytest

from calibrate.quantisation.quantise import Quantiser


@pytest.fixture
def separable(tmp_path: Path) -> onnx.ModelProto:
    images = networks.images(8)
    return Quantiser(networks.separable(tmp_path / "s.onnx"), images, "minmax").quantised([], images)


@pytest.fixture
def student(tmp_path: Path) -> onnx.ModelProto:
    samples = networks.samples(16)
    return Quantiser(networks.student(tmp_path / "s.onnx"), samples, "minmax").quantised([], samples)


def residual(folder: Path, *, mixed: bool) -> onnx.ModelProto:
    """relu(conv(x) + x) in INT8, read by a convolution directly and by another, which may mix joints first."""
    rng = np.random.default_rng(0)
    weights = {f"w{n}": rng.standard_normal((8, 8 if n else 3, 1, 1)).astype(np.float32) for n in range(3)}
    weights["mix"] = rng.standard_normal((6, 6)).astype(np.float32)
    node = networks.helper.make_node
    nodes = [
        node("Conv", ["image", "w0"], ["c0"], name="first"),
        node("Relu", ["c0"], ["x0"]),
        node("Conv", ["x0", "w1"], ["c1"], name="main"),
        node("Add", ["c1", "x0"], ["sum"], name="residual"),
        node("Relu", ["sum"], ["x1"]),
        node("MatMul" if mixed else "Identity", ["x1", "mix"] if mixed else ["x1"], ["m1"]),
        node("Conv", ["m1", "w2"], ["c2"], name="behind"),
        node("Conv", ["x1", "w2"], ["c3"], name="shortcut"),
        node("Concat", ["c2", "c3"], ["map"], axis=1),
    ]
    shapes = (("image", [1, 3, 4, 6]), ("map", [1, 16, 4, 6]))
    path = networks.save(folder / "residual.onnx", nodes, weights, shapes)
    images = [np.random.default_rng(i).standard_normal((1, 3, 4, 6)).astype(np.float32) for i in range(8)]
    return Quantiser(path, images, "minmax").quantised([], images)
