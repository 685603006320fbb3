from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrate.quantisation.bias_correction import bias_corrected
from calibrate.quantisation.equalise import equalised
from calibrate.quantisation.onnx_graph import Graph, activations

NODE = onnx.helper.make_node


def separable(folder: Path) -> onnx.ModelProto:
    return onnx.shape_inference.infer_shapes(onnx.load(networks.separable(folder / "separable.onnx")))


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_equalising_changes_no_output(tmp_path_factory, seed: int) -> None:
    model = separable(tmp_path_factory.mktemp("equalise"))
    balanced = equalised(model, networks.images(3))
    image = np.random.default_rng(seed).standard_normal((1, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(networks.run(balanced, image), networks.run(model, image), rtol=1e-3, atol=1e-3)


def test_channels_read_by_a_depthwise_convolution_get_similar_ranges(tmp_path: Path) -> None:
    def spread(model: onnx.ModelProto) -> float:
        (values,) = activations(model, ["c2"], networks.images(1))
        sizes = np.abs(values["c2"]).max(axis=(0, 2, 3))
        return float(sizes.max() / sizes.min())

    model = separable(tmp_path)
    assert spread(equalised(model, networks.images(8))) < 0.7 * spread(model)


def two_layers(folder: Path, group: int, relu: bool) -> onnx.ModelProto:
    """Two 1x1 convolutions; the first multiplies its channels by 8 and 0.5."""
    nodes = [
        NODE("Conv", ["image", "w1"], ["t"], name="w1"),
        *([NODE("Relu", ["t"], ["r"])] if relu else []),
        NODE("Conv", ["r" if relu else "t", "w2"], ["map"], name="w2", group=group),
    ]
    weights = {"w1": [[8, 0], [0, 0.5]], "w2": [[1, 0.5], [0.2, 0.05]] if group == 1 else [[1], [0.05]]}
    arrays = {name: np.array(rows, np.float32)[..., None, None] for name, rows in weights.items()}
    shapes = (("image", [1, 2, 2, 2]), ("map", [1, 2, 2, 2]))
    path = networks.save(folder / "two.onnx", nodes, arrays, shapes)
    return onnx.shape_inference.infer_shapes(onnx.load(path))


ONES = np.ones((1, 2, 2, 2), np.float32)
ONLY_SECOND = np.array([-1, 0.5], np.float32).reshape(1, 2, 1, 1) * ONES


@pytest.mark.parametrize(
    ("group", "relu", "sample", "ratio"),
    [
        # SmoothQuant: s = max|x|^a / max|w|^(1 - a) with a = 0.7, scaled to a geometric mean of 1. The channel ranges
        # are 8 and 0.5; the second channel's weights are at most half of their row's largest.
        (1, False, -ONES, (8 / 0.5) ** 0.7 / (1 / 0.5) ** 0.3),
        # A depthwise convolution has a scale for each channel, so that it costs nothing to equalise all of it.
        (2, False, -ONES, 8 / 0.5),
        # ReLU drops -8; of the first channel a thousandth of the second's range remains.
        (2, True, ONLY_SECOND, 1e-3),
    ],
)
def test_the_factors_are_those_calculated_by_hand(
    tmp_path: Path, group: int, relu: bool, sample: np.ndarray, ratio: float
) -> None:
    model = two_layers(tmp_path, group, relu)
    before, after = Graph(model).constants, Graph(equalised(model, [sample])).constants
    s = np.array([ratio**0.5, ratio**-0.5]).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(after["w1"], before["w1"] / s, rtol=1e-5)
    np.testing.assert_allclose(after["w2"], before["w2"] * (s.reshape(1, 2, 1, 1) if group == 1 else s), rtol=1e-5)


def test_concatenated_parts_are_equalised_each_by_its_own_weight_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {name: rng.standard_normal((2, 3, 1, 1)).astype(np.float32) for name in ("w1", "w2")}
    weights["w1"] *= np.array([30, 0.1], np.float32).reshape(2, 1, 1, 1)
    weights["w3"] = rng.standard_normal((3, 7, 3, 1)).astype(np.float32)
    nodes = [
        NODE("Conv", ["image", "w2"], ["a"]),
        NODE("Conv", ["image", "w1"], ["b"]),
        NODE("Concat", ["a", "b"], ["both"], axis=1),
        NODE("Concat", ["image", "both"], ["all"], axis=1),
        NODE("Conv", ["all", "w3"], ["map"]),
    ]
    shapes = (("image", [1, 3, 16, 16]), ("map", [1, 3, 14, 16]))
    model = onnx.shape_inference.infer_shapes(onnx.load(networks.save(tmp_path / "both.onnx", nodes, weights, shapes)))
    balanced = equalised(model, networks.images(3))
    after, columns = Graph(balanced).constants, weights["w3"][..., 0].copy()
    for name, first in (("w2", 3), ("w1", 5)):  # in the order they run
        outputs = [np.einsum("oi,ihw->ohw", weights[name][..., 0, 0], image[0]) for image in networks.images(3)]
        ranges = np.abs(outputs).max(axis=(0, 2, 3))
        sizes = np.abs(columns).max(axis=2)
        relative = sizes / sizes.max(axis=1, keepdims=True)
        s = ranges**0.7 / relative.max(axis=0)[first : first + 2] ** 0.3
        s /= np.sqrt(s.prod())
        np.testing.assert_allclose(after[name], weights[name] / s.reshape(2, 1, 1, 1), rtol=1e-4)
        columns[:, first : first + 2] *= s[:, None]
    np.testing.assert_allclose(after["w3"][..., 0], columns, rtol=1e-4)
    np.testing.assert_allclose(
        networks.run(balanced, networks.images(1)[0]), networks.run(model, networks.images(1)[0]), rtol=1e-3, atol=1e-3
    )


TANH = NODE("Tanh", ["x"], ["other"])


@pytest.mark.parametrize(
    ("between", "width", "scaled"),
    [
        ([NODE("GlobalAveragePool", ["t"], ["r"])], 2, True),
        ([NODE("MaxPool", ["t"], ["r"], kernel_shape=[2])], 2, True),
        ([NODE("AveragePool", ["t"], ["r"], kernel_shape=[2])], 2, True),
        ([NODE("Concat", ["t", "t"], ["r"], axis=1)], 4, False),
        ([TANH, NODE("Concat", ["t", "other"], ["r"], axis=2)], 2, False),
        ([TANH, NODE("Concat", ["other", "t"], ["r"], axis=1)], 4, False),  # the number of channels before t is unknown
        ([NODE("MatMul", ["mix", "t"], ["r"])], 2, False),  # of arrays (N, C, T): sums over the channels
    ],
)
def test_what_reads_the_channels_decides_whether_they_are_scaled(
    tmp_path: Path, between: list[onnx.NodeProto], width: int, scaled: bool
) -> None:
    rng = np.random.default_rng(0)
    shapes = {"w1": (2, 2, 1), "mix": (2, 2), "w2": (3, width, 1)}
    weights = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    weights["w1"] *= np.array([30, 0.1], np.float32).reshape(2, 1, 1)
    nodes = [NODE("Conv", ["x", "w1"], ["t"]), *between, NODE("Conv", ["r", "w2"], ["y"])]
    model = onnx.load(networks.save(tmp_path / "net.onnx", nodes, weights, (("x", [1, 2, 4]), ("y", ["n", "c", "t"]))))
    clip = rng.standard_normal((1, 2, 4)).astype(np.float32)
    after = equalised(model, [clip])
    assert np.array_equal(Graph(after).constants["w1"], weights["w1"]) != scaled
    np.testing.assert_allclose(networks.run(after, clip), networks.run(model, clip), rtol=1e-4, atol=1e-4)


def test_channels_that_are_an_output_are_not_scaled(tmp_path: Path) -> None:
    model = two_layers(tmp_path, 1, False)
    model.graph.output.append(onnx.helper.make_tensor_value_info("t", 1, [1, 2, 2, 2]))
    np.testing.assert_array_equal(Graph(equalised(model, [ONES])).constants["w1"], Graph(model).constants["w1"])


def test_a_channel_read_by_another_kind_of_node_is_not_scaled(tmp_path: Path) -> None:
    # The student's residual addition reads the stem's output, so the stem's weights must not change.
    model = onnx.shape_inference.infer_shapes(onnx.load(networks.student(tmp_path / "student.onnx")))
    balanced = Graph(equalised(model, networks.samples(4)))
    np.testing.assert_array_equal(balanced.constants["w1"], Graph(model).constants["w1"])
    assert not np.allclose(balanced.constants["w2"], Graph(model).constants["w2"])


@pytest.mark.parametrize("dead", [2, slice(None)])
def test_dead_and_unread_channels_and_an_empty_row_give_finite_weights(tmp_path: Path, dead: int | slice) -> None:
    model = separable(tmp_path)
    graph = Graph(model)
    for name in ("w1", "b1"):
        constant = graph.constants[name].copy()
        constant[dead] = 0
        graph.set_constant(name, constant)
    unread = graph.constants["w4"].copy()
    unread[:, 6 + 3] = 0  # the fourth of these channels, behind six others
    unread[1] = 0
    graph.set_constant("w4", unread)
    balanced = Graph(equalised(model, networks.images(2)))
    assert all(np.isfinite(c).all() for c in balanced.constants.values())


def quantised_by_hand(scale: float, zero: np.generic, group: int) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """A 1x1 convolution in floating point, and in INT8 with this scale of its input and coarse weights."""
    weight = np.array([0.34, 0.6, 1.3, 0.7], np.float32).reshape(-1, 2 // group, 1, 1)
    value = onnx.helper.make_tensor_value_info
    shapes = [value("x", 1, [1, 2, 4, 4])], [value("y", 1, [1, len(weight), 4, 4])]
    plain = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="conv", group=group)],
        "plain",
        *shapes,
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    constants = {
        "s": np.float32(scale),
        "z": zero,
        "w8": np.round(weight / 0.25).astype(np.int8),
        "ws": np.full(len(weight), 0.25, np.float32),
        "wz": np.zeros(len(weight), np.int8),
    }
    int8 = onnx.helper.make_graph(
        [
            onnx.helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            onnx.helper.make_node("DequantizeLinear", ["q", "s", "z"], ["xd"]),
            onnx.helper.make_node("DequantizeLinear", ["w8", "ws", "wz"], ["wd"], axis=0),
            onnx.helper.make_node("Conv", ["xd", "wd"], ["y"], name="conv", group=group),
        ],
        "int8",
        *shapes,
        [onnx.numpy_helper.from_array(np.asarray(c), n) for n, c in constants.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    return tuple(onnx.helper.make_model(g, opset_imports=opset, ir_version=8) for g in (plain, int8))


@pytest.mark.parametrize(
    ("scale", "zero", "group"),
    [(0.25, np.int8(0), 1), (0.01, np.int8(0), 1), (0.01, np.uint8(0), 1), (0.25, np.int8(0), 2)],
)
def test_a_corrected_bias_restores_the_mean_output(scale: float, zero: np.generic, group: int) -> None:
    """Of values that are rounded coarsely, or clipped at 1.27 or 2.55."""
    plain, int8 = quantised_by_hand(scale, zero, group)
    reach = np.array([3, 2], np.float32).reshape(1, 2, 1, 1)
    samples = [reach * np.random.default_rng(i).random((1, 2, 4, 4), np.float32) for i in range(50)]
    corrected = bias_corrected(int8, plain, samples)

    def mean(model: onnx.ModelProto) -> np.ndarray:
        return np.mean([networks.run(model, s).mean((0, 2, 3)) for s in samples], axis=0)

    assert np.abs(mean(int8) - mean(plain)).max() > 0.05
    np.testing.assert_allclose(mean(corrected), mean(plain), atol=1e-4)
