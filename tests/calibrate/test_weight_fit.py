"""Weights fitted to INT8 inputs; expected values are worked out by hand or come from ONNX Runtime."""

from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.weight_fit import fitted, patches


def convolution(
    constants: dict[str, np.ndarray], nodes: list[onnx.NodeProto], shape: tuple[int, ...]
) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "one", [value("x", 1, shape)], [value("y", 1, None)],
        [numpy_helper.from_array(np.asarray(c), n) for n, c in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def exact(weight: np.ndarray) -> onnx.ModelProto:
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv")
    return convolution({"w": weight}, [node], (1, weight.shape[1], 4, 4))


def int8(weight: np.ndarray, activation_scale: float) -> onnx.ModelProto:
    """The same with weights rounded to whole numbers (scale 1)."""
    constants = {
        "s": np.float32(activation_scale), "z": np.int8(0), "w8": np.round(weight).astype(np.int8),
        "ws": np.ones(len(weight), np.float32), "wz": np.zeros(len(weight), np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w8", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("Conv", ["xd", "wd"], ["y"], name="conv"),
    ]
    return convolution(constants, nodes, (1, weight.shape[1], 4, 4))


def weights_of(model: onnx.ModelProto) -> np.ndarray:
    constants = Graph(model).constants
    return (constants["w8"].astype(float) * constants["ws"].reshape(-1, 1, 1, 1))[..., 0, 0]


def test_a_rounding_error_is_compensated_by_the_weight_of_an_equal_input() -> None:
    # The first two inputs are equal, so only the sum 0.4 + 0.4 matters: rounding to nearest gives 0 + 0, fitting 0 + 1.
    weight = np.array([0.4, 0.4, 127.0], np.float32).reshape(1, 3, 1, 1)
    rng = np.random.default_rng(0)
    same, other = rng.uniform(-1, 1, (2, 20, 1, 1, 4, 4)).astype(np.float32)
    samples = [np.concatenate([a, a, b], axis=1) for a, b in zip(same, other, strict=True)]
    given = weights_of(fitted(int8(weight, 1 / 127), exact(weight), samples))
    np.testing.assert_allclose(sorted(given[0]), [0, 1, 127], atol=0.02)


@pytest.mark.parametrize(("activations", "wanted"), [([-2, 2], (3 + 6) / 2), ([0, 4], (3 + 12) / 2)])
def test_weights_compensate_half_of_what_clipping_removes(activations: list[int], wanted: float) -> None:
    # Activations are clipped at -1 and 1: least squares would multiply the weight by 2 or 4. The ridge towards 3 is as
    # large as the inputs' variance, so the weight goes half of the way.
    weight = np.array([3.0], np.float32).reshape(1, 1, 1, 1)
    rng = np.random.default_rng(0)
    samples = [rng.choice(activations, (1, 1, 4, 4)).astype(np.float32) for _ in range(8)]
    given = fitted(int8(weight, 1 / 127), exact(weight), samples)
    np.testing.assert_allclose(weights_of(given), [[wanted]], rtol=0.01)


def test_weights_are_those_of_ridge_regression_on_the_clipped_inputs() -> None:
    """With a ridge as large as the inputs' mean variance; the second of three correlated inputs is clipped at 1."""
    weight, rng = np.array([1, -2, 1.5], np.float32).reshape(1, 3, 1, 1), np.random.default_rng(0)
    samples = [(rng.standard_normal((1, 1, 4, 4)) * [[[[0.2]], [[2]], [[-0.3]]]]).astype(np.float32) for _ in range(50)]
    samples = [sample + 0.1 * rng.standard_normal(sample.shape).astype(np.float32) for sample in samples]
    fp32 = np.concatenate(samples).transpose(0, 2, 3, 1).reshape(-1, 3).astype(float)
    clipped = np.clip(fp32, -1, 1)
    exactly, given = fp32 - fp32.mean(0), clipped - clipped.mean(0)
    wanted = weight.ravel()
    ridge = np.sqrt(len(given) * given.var(axis=0).mean()) * np.eye(3)
    rows, targets = np.vstack([given, ridge]), np.concatenate([exactly @ wanted, ridge @ wanted])
    expected = np.linalg.lstsq(rows, targets, rcond=None)[0]
    assert np.abs(expected - wanted).max() > 0.3
    model = fitted(int8(weight, 1 / 127), exact(weight), samples)
    np.testing.assert_allclose(weights_of(model)[0], expected, atol=0.05)


def test_the_bias_corrects_the_remaining_mean() -> None:
    # Every activation is 4 and clipped to 1; the second weight is rounded to 0.
    weight = np.array([2.0, 0.004], np.float32).reshape(1, 2, 1, 1)
    samples = [np.full((1, 2, 4, 4), 4, np.float32)]
    given = fitted(int8(weight, 1 / 127), exact(weight), samples)
    session = ort.InferenceSession(given.SerializeToString())
    # A constant input does not change the weight, so the bias alone corrects 2 * 1 to 2.004 * 4.
    np.testing.assert_allclose(session.run(None, {"x": samples[0]})[0], np.full((1, 1, 4, 4), 8.016), rtol=1e-4)
    np.testing.assert_allclose(weights_of(given), [[2, 0]], rtol=1e-4)


def test_a_channel_without_weights_stays_zero_and_keeps_a_scale() -> None:
    weight = np.array([[0, 0], [3, 127]], np.float32).reshape(2, 2, 1, 1)
    samples = list(np.random.default_rng(0).uniform(-1, 1, (20, 1, 2, 4, 4)).astype(np.float32))
    model = fitted(int8(weight, 1 / 127), exact(weight), samples)
    assert not weights_of(model)[0].any() and (Graph(model).constants["ws"] > 0).all()


def test_constant_inputs_change_neither_the_weights_nor_the_mean_output() -> None:
    """Channels that a network does not use are constant; in FP32 their computed variance may be negative."""
    rng = np.random.default_rng(4)
    weight = rng.integers(-127, 128, (3, 24, 1, 1)).astype(np.float32)
    weight[:, 0] = 127
    constant = rng.uniform(1, 100, (1, 24, 1, 1))
    samples = [np.broadcast_to(constant, (1, 24, 4, 4)).astype(np.float32) for _ in range(5)]
    given = fitted(int8(weight, 1.0), exact(weight), samples)
    np.testing.assert_allclose(weights_of(given), weight[..., 0, 0], rtol=1e-6)
    (output,) = ort.InferenceSession(given.SerializeToString()).run(None, {"x": samples[0]})
    wanted = (weight[..., 0, 0] @ constant.ravel()).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(output, np.broadcast_to(wanted, output.shape), rtol=1e-4)


def test_inputs_that_hardly_vary_are_fitted() -> None:
    """As in a squeeze-and-excitation block; in FP32 their variance has negative eigenvalues."""
    rng = np.random.default_rng(0)
    weight = rng.uniform(-127, 127, (4, 256, 1, 1)).astype(np.float32)
    samples = [np.full((1, 256, 4, 4), 1, np.float32) for _ in range(6)]
    for sample in samples:
        sample += 0.011 * rng.standard_normal((1, 256, 1, 1))
    given = fitted(int8(weight, 1.1 / 127), exact(weight), samples)
    wanted, output = (
        ort.InferenceSession(m.SerializeToString()).run(None, {"x": samples[0]})[0] for m in (exact(weight), given)
    )
    np.testing.assert_allclose(output, wanted, atol=0.05 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("kernel", "group", "attributes"),
    [
        ([3, 3], 1, {"pads": [1, 1, 1, 1]}),
        ([3, 3], 4, {"pads": [0, 0, 1, 1], "strides": [2, 2]}),
        ([1, 5], 2, {"pads": [0, 2, 0, 2], "strides": [1, 2]}),
        ([3, 1], 1, {"pads": [2, 0, 2, 0], "dilations": [2, 1]}),
        ([3, 2], 1, {"auto_pad": "VALID", "dilations": [1, 2]}),
        *[
            ([height, width], 2, {"auto_pad": auto_pad, "strides": strides})
            for auto_pad in ("SAME_UPPER", "SAME_LOWER")
            for height, width in ((3, 3), (2, 4), (1, 5))
            for strides in ([1, 1], [2, 3], [3, 2])
        ],
        ([3], 1, {}),
        ([5], 2, {"pads": [3, 1], "strides": [2]}),
        ([3], 4, {"auto_pad": "SAME_LOWER", "strides": [2]}),
        ([3, 1, 2], 1, {}),
        ([2, 3, 1], 2, {"pads": [1, 0, 2, 0, 2, 1], "strides": [1, 2, 3], "dilations": [2, 1, 1]}),
        ([3, 3, 3], 1, {"auto_pad": "SAME_UPPER", "strides": [3, 2, 1]}),
    ],
)
def test_patches_times_weights_equal_onnx_runtimes_convolution(kernel, group, attributes) -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((2, 4, 7, 6, 5)[: 2 + len(kernel)]).astype(np.float32)
    weight = rng.standard_normal((8, 4 // group, *kernel)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv", group=group, **attributes)
    session = ort.InferenceSession(convolution({"w": weight}, [node], x.shape).SerializeToString())
    (wanted,) = session.run(None, {"x": x})
    given = weight.reshape(group, 8 // group, -1) @ patches(x, node, kernel)
    np.testing.assert_allclose(given.reshape(8, -1), np.moveaxis(wanted, 1, 0).reshape(8, -1), rtol=1e-4, atol=1e-5)


def test_few_patches_are_spread_over_all_positions() -> None:
    x, node = np.arange(7.0).reshape(1, 1, 7), helper.make_node("Conv", ["x", "w"], ["y"])
    np.testing.assert_array_equal(patches(x, node, [1], 3), [[[0, 3, 6]]])


def with_axes(path: Path, axes: int) -> Path:
    """Convolutions along time over x (1, 3, 24) -> y (1, 4, 8); any further axes have size 1."""
    rng = np.random.default_rng(5)
    ones, zeros = [1] * (axes - 1), [0] * (axes - 1)
    wide = {"strides": [2, *ones], "pads": [2, *zeros, 2, *zeros]}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="first", **wide),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="depthwise", group=8, dilations=[2, *ones]),
        helper.make_node("Conv", ["c2", "w3", "b3"], ["y"], name="last"),
    ]
    shapes = {"w1": (8, 3, 5), "b1": (8,), "w2": (8, 1, 3), "w3": (4, 8, 1), "b3": (4,)}
    weights = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    weights = {n: w.reshape(*w.shape, *ones) if w.ndim == 3 else w for n, w in weights.items()}
    return networks.save(path, nodes, weights, (("x", [1, 3, 24, *ones]), ("y", [1, 4, 8, *ones])))


@pytest.mark.parametrize("axes", [1, 3])
def test_convolutions_of_one_and_three_axes_are_fitted_as_those_of_two(tmp_path: Path, axes: int) -> None:
    clips = [np.random.default_rng(i).standard_normal((1, 3, 24)).astype(np.float32) for i in range(8)]
    outputs = []
    for count in (axes, 2):
        shaped = [clip.reshape(*clip.shape, *[1] * (count - 1)) for clip in clips]
        source = with_axes(tmp_path / f"{count}.onnx", count)
        quantiser, out = Quantiser(source, shaped, "minmax", fit_weights=True), tmp_path / f"{count}.int8.onnx"
        quantiser.save(quantiser.quantised([], shaped), out)
        outputs.append(networks.run(out, shaped[0]).ravel())
    wanted = networks.run(source, shaped[0]).ravel()
    np.testing.assert_allclose(*outputs, atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_allclose(outputs[0], wanted, atol=0.05 * np.abs(wanted).max())


def two_layers(path: Path, **padding: object) -> Path:
    """A strided 4x3 convolution and a 1x1: x (1, 3, 9, 9) -> y (1, 4, 5, 5)."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], name="first", strides=[2, 2], **padding),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["y"], name="second"),
    ]
    shapes = {"w1": (8, 3, 4, 3), "w2": (4, 8, 1, 1)}
    weights = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return networks.save(path, nodes, weights, (("x", [1, 3, 9, 9]), ("y", [1, 4, 5, 5])))


@pytest.mark.parametrize(("auto_pad", "pads"), [("SAME_UPPER", [1, 1, 2, 1]), ("SAME_LOWER", [2, 1, 1, 1])])
def test_auto_pad_is_fitted_as_the_pads_that_it_stands_for(tmp_path: Path, auto_pad: str, pads: list[int]) -> None:
    images = [np.random.default_rng(i).uniform(1, 2, (1, 3, 9, 9)).astype(np.float32) for i in range(4)]
    stated, explicit = (
        Quantiser(two_layers(tmp_path / "n.onnx", **padding), images, "minmax", fit_weights=True).quantised([], images)
        for padding in ({"auto_pad": auto_pad}, {"pads": pads})
    )
    np.testing.assert_array_equal(networks.run(stated, images[0]), networks.run(explicit, images[0]))


def shared(path: Path, second: str) -> Path:
    """Layers one and two have equal weights and biases; two reads those with the suffix ``second``."""
    rng = np.random.default_rng(0)
    shapes = {"w0": (8, 3, 1, 1), "b0": (8,), "w": (8, 8, 3, 3), "b": (8,), "w3": (2, 8, 1, 1)}
    weights = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {f"w{second}": weights["w"], f"b{second}": weights["b"]}
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], name="first"),
        helper.make_node("Relu", ["c0"], ["r0"], name="relu0"),
        helper.make_node("Conv", ["r0", "w", "b"], ["c1"], name="one"),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", f"w{second}", f"b{second}"], ["c2"], name="two"),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("Conv", ["r2", "w3"], ["y"], name="last"),
    ]
    return networks.save(path, nodes, weights, (("x", [1, 3, 8, 8]), ("y", [1, 2, 4, 4])))


@pytest.mark.parametrize("fit", [True, False])
@pytest.mark.parametrize("float_layers", [[], ["two"], ["one"]])
def test_shared_weights_and_biases_quantise_as_copies_do(tmp_path: Path, fit: bool, float_layers: list[str]) -> None:
    """Both layers stay close to FP32: what is fitted or corrected for one does not change the other."""
    images = [np.random.default_rng(i).standard_normal((1, 3, 8, 8)).astype(np.float32) for i in range(4)]
    outputs = []
    for second in ("", "_copy"):
        path = shared(tmp_path / f"n{second}.onnx", second)
        model = Quantiser(path, images, "minmax", fit_weights=fit).quantised(float_layers, images)
        outputs.append(networks.run(model, images[0]))
    np.testing.assert_array_equal(*outputs)
    wanted = networks.run(path, images[0])
    np.testing.assert_allclose(outputs[0], wanted, atol=0.05 * np.abs(wanted).max())
