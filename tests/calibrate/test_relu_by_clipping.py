"""A ReLU replaced by INT8 clipping gives the same values in ONNX Runtime."""

from collections import Counter
from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

from calibrate.quantisation.onnx_graph import Graph, Sample
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.relu_by_clipping import signed
from calibrate.tensorrt.parser_gate import gate
from calibrate.tensorrt.rules import violations
from edge.engines.onnx_runtime import DISABLED_OPTIMIZERS

LIMITS = (("zero.limit", 0), ("limit", 1.5))


def three_layers(folder: Path, low: float = 0.0, high: float | None = None, **padding: object) -> Path:
    """1x1, ReLU, 1x1, ReLU, 3x3 with padding: image (1, 3, 16, 16) -> map (1, 2, 16, 16); with ``high`` Clip."""
    padding = padding or {"pads": [1, 1, 1, 1]}
    rng = np.random.default_rng(3)
    shapes = {"w1": (8, 3, 1, 1), "b1": (8,), "w2": (8, 8, 1, 1), "w3": (2, 8, 3, 3), "b3": (2,)}
    weights = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    kind, limits = "Relu", list[str]()
    if high is not None:
        kind, limits = "Clip", ["low", "high"]
        weights |= {"low": np.array(low, np.float32), "high": np.array(high, np.float32)}
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], name="first"),
        helper.make_node(kind, ["c1", *limits], ["x1"], name="relu1"),
        helper.make_node("Conv", ["x1", "w2"], ["c2"], name="second"),
        helper.make_node(kind, ["c2", *limits], ["x2"], name="relu2"),
        helper.make_node("Conv", ["x2", "w3", "b3"], ["map"], name="third", **padding),
    ]
    return networks.save(folder / "n.onnx", nodes, weights, (("image", [1, 3, 16, 16]), ("map", [1, 2, 16, 16])))


@pytest.fixture
def images() -> list[Sample]:
    return networks.images(6)


@pytest.mark.parametrize("padding", [{"pads": [1, 1, 1, 1]}, {"auto_pad": "SAME_UPPER"}])
def test_only_a_relu_whose_reader_has_no_padding_is_removed(
    tmp_path: Path, images: list[Sample], padding: dict
) -> None:
    model = Quantiser(three_layers(tmp_path, **padding), images, "minmax").quantised([], images)
    assert [n.name for n in Graph(model).nodes("Relu")] == ["relu2"]
    assert violations(model) == []


@pytest.mark.parametrize("method", ["minmax", "margin"])
def test_a_clip_from_zero_is_done_by_the_range_behind_it(tmp_path: Path, images: list[Sample], method: str) -> None:
    source = three_layers(tmp_path, high=1.5)
    model = Quantiser(source, images, method).quantised([], images)
    graph = Graph(model)
    assert [n.name for n in graph.nodes("Relu")] == ["relu2"] and not graph.nodes("Clip") and violations(model) == []
    image = 3 * images[0]  # beyond the range of calibration
    clipped = onnx.ModelProto.FromString(model.SerializeToString())
    (relu,) = [n for n in clipped.graph.node if n.name == "relu2"]
    relu.op_type = "Clip"
    relu.input.extend(["zero.limit", "limit"])
    clipped.graph.initializer.extend(numpy_helper.from_array(np.array(v, np.float32), n) for n, v in LIMITS)
    np.testing.assert_array_equal(networks.run_exactly(model, image), networks.run_exactly(clipped, image))
    exact = networks.run_exactly(onnx.load(source), images[0])
    assert np.square(networks.run_exactly(model, images[0]) - exact).mean() < 0.005 * exact.var()


def test_onnx_runtime_runs_convolutions_before_a_clip_in_int8(tmp_path: Path, images: list[Sample]) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "optimised.onnx"), 3
    model = Quantiser(three_layers(tmp_path, high=1.5), images, "minmax").quantised([], images)
    ort.InferenceSession(model.SerializeToString(), options, disabled_optimizers=DISABLED_OPTIMIZERS)
    assert [n.op_type for n in onnx.load(tmp_path / "optimised.onnx").graph.node].count("QLinearConv") == 2


def test_a_clip_that_lets_negative_values_pass_stays(tmp_path: Path, images: list[Sample]) -> None:
    source = three_layers(tmp_path, low=-1, high=1.5)
    model = Quantiser(source, images, "minmax").quantised([], images)
    assert [n.name for n in Graph(model).nodes("Clip")] == ["relu1", "relu2"]


def test_uint8_and_int8_give_the_same_values(tmp_path: Path, images: list[Sample]) -> None:
    unsigned = Quantiser(three_layers(tmp_path), images, "minmax")._with_pairs([])
    kinds = Counter(c.dtype.name for c in Graph(unsigned).constants.values())
    assert kinds["uint8"] == 1
    model = signed(unsigned)
    assert Counter(c.dtype.name for c in Graph(model).constants.values())["uint8"] == 0
    for image in images:
        np.testing.assert_allclose(
            networks.run_exactly(model, image), networks.run_exactly(unsigned, image), rtol=1e-4, atol=1e-4
        )


def test_the_scale_is_halved(tmp_path: Path, images: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    def scale(model: onnx.ModelProto) -> float:
        graph = Graph(model)
        (second,) = [n for n in graph.nodes("Conv") if n.name == "second"]
        return float(graph.constants[graph.producer[second.input[0]].input[1]])

    quantiser = Quantiser(three_layers(tmp_path), images, "minmax")
    finer = scale(quantiser._with_pairs([]))
    monkeypatch.setattr("calibrate.quantisation.quantise.unsigned_behind_relu", lambda model: model)
    assert finer == pytest.approx(scale(quantiser._with_pairs([])) * 127 / 255)


def test_a_layer_left_in_floating_point_keeps_its_relu(tmp_path: Path, images: list[Sample]) -> None:
    for layer in ("first", "second"):
        model = Quantiser(three_layers(tmp_path), images, "minmax").quantised([layer], images)
        assert len(Graph(model).nodes("Relu")) == 2


def test_a_relu_beside_another_reader_of_its_convolution_stays(tmp_path: Path, images: list[Sample]) -> None:
    path = three_layers(tmp_path)
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Tanh", ["c1"], ["side"], name="side"))
    model.graph.output.append(helper.make_tensor_value_info("side", 1, [1, 8, 16, 16]))
    onnx.save(model, str(path))
    assert len(Graph(Quantiser(path, images, "minmax").quantised([], images)).nodes("Relu")) == 2


@pytest.mark.parametrize("output", ["c1", "x1"])
def test_a_relu_with_an_output_before_or_behind_it_stays(tmp_path: Path, images: list[Sample], output: str) -> None:
    path = three_layers(tmp_path)
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info(output, 1, [1, 8, 16, 16]))
    onnx.save(model, str(path))
    int8 = Quantiser(path, images, "minmax").quantised([], images)
    assert len(Graph(int8).nodes("Relu")) == 2
    wanted, given = (
        ort.InferenceSession(m.SerializeToString()).run([output], {"image": images[0]})[0] for m in (model, int8)
    )
    np.testing.assert_allclose(given, wanted, atol=0.02 * np.abs(wanted).max())


def test_tensorrt_accepts_it(tmp_path: Path, images: list[Sample]) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    Quantiser(three_layers(tmp_path), images, "minmax").write(tmp_path / "n.int8.onnx")
    assert not gate(tmp_path / "n.int8.onnx", ("SM86",)).errors
