import contextlib
import io
import logging
from collections import Counter
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from calibrate.calibration_set import METHODS, Method
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.sensitivity import layer_losses, relative_error, smallest_passing
from edge.bench.accuracy_figures import agreement
from edge.contract.errors import EngineError


@pytest.mark.parametrize("method", METHODS)
def test_an_int8_student_decides_as_the_fp32_student_does(tmp_path: Path, method: str) -> None:
    source, out = networks.student(tmp_path / "student.onnx"), tmp_path / "student.int8.onnx"
    Quantiser(source, networks.samples(16 if method == "entropy" else 64), method).write(out)
    unseen = networks.clips(300, seed=9)
    assert agreement(networks.run(source, unseen), networks.run(out, unseen)) >= 97


def test_quantisation_is_symmetric_and_weight_scales_are_per_channel(tmp_path: Path) -> None:
    out = tmp_path / "student.int8.onnx"
    Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(32), "minmax").write(out)
    model = onnx.load(out)
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    pairs = [n for n in model.graph.node if n.op_type in {"QuantizeLinear", "DequantizeLinear"}]
    assert all(constants[n.input[2]].dtype == np.int8 and not constants[n.input[2]].any() for n in pairs)
    assert not any(c.dtype in (np.int32, np.uint8) for c in constants.values())
    made = {o: n for n in model.graph.node for o in n.output}
    for convolution in (n for n in model.graph.node if n.op_type == "Conv"):
        weight = made[convolution.input[1]]
        assert constants[weight.input[1]].shape == constants[weight.input[0]].shape[:1]
        assert constants[made[convolution.input[0]].input[1]].size == 1
        assert constants[convolution.input[2]].dtype == np.float32


def test_the_adjacency_product_and_the_logits_stay_in_floating_point(tmp_path: Path) -> None:
    out = tmp_path / "student.int8.onnx"
    Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(32), "minmax").write(out)
    model = onnx.load(out)
    made = {o: n.op_type for n in model.graph.node for o in n.output}
    assert made["logits"] == "Gemm"
    (mix,) = [n for n in model.graph.node if n.op_type == "MatMul"]
    assert mix.input[1] not in made


def test_the_returned_ranges_cover_the_clips_they_were_taken_from(tmp_path: Path) -> None:
    quantiser = Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(32), "minmax")
    ranges = quantiser.write(tmp_path / "student.int8.onnx")
    largest = max(float(np.abs(s).max()) for s in networks.samples(32))
    assert ranges["x0"] == pytest.approx(largest, rel=1e-5)
    assert all(r > 0 for r in ranges.values())


def test_a_sample_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="takes float32"):
        Quantiser(networks.student(tmp_path / "student.onnx"), [np.zeros((1, 3, 8, 17, 1), np.float32)], "minmax")


def test_a_network_is_not_quantised_twice(tmp_path: Path) -> None:
    out = tmp_path / "student.int8.onnx"
    Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(4), "minmax").write(out)
    with pytest.raises(EngineError, match="already quantised"):
        Quantiser(out, networks.samples(4), "minmax")


@pytest.mark.parametrize(("name", "shape"), [("mix", [17, 17]), ("clip", ["n", 3, 16, 17, 1])])
def test_an_output_that_no_layer_computes_is_refused(tmp_path: Path, name: str, shape: list[int | str]) -> None:
    source = networks.student(tmp_path / "student.onnx")
    model = onnx.load(source)
    model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    onnx.save(model, source)
    with pytest.raises(EngineError, match=f"student.onnx: output {name} is a constant or an input; "):
        Quantiser(source, networks.samples(1), "minmax")


def test_margin_is_a_fifth_wider_than_mse(tmp_path: Path) -> None:
    source = networks.student(tmp_path / "student.onnx")
    methods: tuple[Method, Method] = ("mse", "margin")
    tight, wide = (
        Quantiser(source, networks.samples(8), method).write(tmp_path / f"{method}.onnx") for method in methods
    )
    assert tight and tight.keys() == wide.keys()
    np.testing.assert_allclose(list(wide.values()), 1.2 * np.array(list(tight.values())), rtol=1e-5)


def test_nothing_is_printed_to_stdout(tmp_path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(4), "percentile").write(
            tmp_path / "s.int8.onnx"
        )
    assert printed.getvalue() == ""


def test_a_layer_left_in_floating_point_keeps_its_weights(tmp_path: Path) -> None:
    out = tmp_path / "student.int8.onnx"
    Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(8), "minmax").write(out, ["temporal"])
    model = onnx.load(out)
    made = {o: n.op_type for n in model.graph.node for o in n.output}
    kinds = Counter(made.get(n.input[1]) for n in model.graph.node if n.op_type in {"Conv", "Gemm"})
    assert kinds == {"DequantizeLinear": 3, None: 1}


@pytest.mark.parametrize("name", ["separable", "student"])
def test_with_every_layer_in_floating_point_the_network_is_the_fp32_network(tmp_path: Path, name: str) -> None:
    source = getattr(networks, name)(tmp_path / "network.onnx")
    images = networks.images(4)
    given_to = {"separable": images, "student": networks.samples(4)}[name]
    quantiser = Quantiser(source, given_to, "minmax")
    same = quantiser.quantised(quantiser.layers, given_to)
    np.testing.assert_allclose(networks.run(same, given_to[0]), networks.run(source, given_to[0]), rtol=1e-4, atol=1e-4)


def test_channels_whose_ranges_differ_a_thousandfold_survive_int8(tmp_path: Path) -> None:
    source, out = networks.separable(tmp_path / "separable.onnx"), tmp_path / "separable.int8.onnx"
    images = networks.images(16)
    Quantiser(source, images, "minmax").write(out)
    unseen = np.random.default_rng(99).standard_normal((1, 3, 16, 16)).astype(np.float32)
    assert np.corrcoef(networks.run(source, unseen).ravel(), networks.run(out, unseen).ravel())[0, 1] > 0.995


def test_layers_are_ranked_by_the_decisions_that_each_alone_changes(tmp_path: Path) -> None:
    source = networks.student(tmp_path / "student.onnx")
    quantiser = Quantiser(source, networks.samples(8), "minmax")
    clips = networks.samples(64)
    losses = layer_losses(quantiser, clips)
    assert {loss.layer for loss in losses} == {"stem", "spatial", "temporal", "classifier"}
    order = [(loss.decisions_lost, loss.error) for loss in losses]
    assert order == sorted(order, reverse=True)
    worst = losses[0]
    alone = quantiser.quantised([name for name in quantiser.layers if name != worst.layer], clips[:4])
    changed = [networks.run(source, c).argmax() != networks.run(alone, c).argmax() for c in clips]
    assert worst.decisions_lost == pytest.approx(np.mean(changed))


@given(most=st.integers(0, 200), needed=st.integers(0, 250))
def test_the_smallest_passing_number_is_found_in_few_trials(most: int, needed: int) -> None:
    trials: list[int] = []

    def passes(count: int) -> bool:
        trials.append(count)
        return count >= needed

    assert smallest_passing(most, passes) == (needed if needed <= most else None)
    assert all(0 <= n <= most for n in trials)
    assert len(trials) <= 2 * np.log2(most + 2) + 2


def test_predicting_the_mean_has_a_relative_error_of_1() -> None:
    wanted = np.random.default_rng(0).standard_normal((50, 3, 7)).astype(np.float32) * np.array([[[1], [2], [5]]])
    assert relative_error(np.broadcast_to(wanted.mean((0, 2), keepdims=True), wanted.shape), wanted) == pytest.approx(1)


def test_an_outlier_does_not_set_the_range_under_entropy(tmp_path: Path) -> None:
    # With ONNX Runtime's default of 128 bins the threshold could only be the maximum.
    clips = [clip[..., 0] for clip in networks.samples(8)]
    clips[3][0, 0, 0, 0] = 30.0
    node = helper.make_node("Conv", ["x", "weight"], ["y"], name="only")
    shapes = (("x", [1, *clips[0].shape[1:]]), ("y", [1, 4, *clips[0].shape[2:]]))
    path = networks.save(tmp_path / "one.onnx", [node], {"weight": np.ones((4, 3, 1, 1), np.float32)}, shapes)
    assert Quantiser(path, clips, "entropy").write(tmp_path / "one.int8.onnx")["x"] < 15


def test_biases_are_corrected(tmp_path: Path) -> None:
    quantiser = Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(8), "minmax")
    before = {i.name: numpy_helper.to_array(i) for i in quantiser.model.graph.initializer}
    after = {i.name: numpy_helper.to_array(i) for i in quantiser.quantised([], networks.samples(8)).graph.initializer}
    assert all(0 < np.abs(after[b] - before[b]).max() < 0.1 for b in ("b2", "b3"))


def test_weights_are_fitted_on_request(tmp_path: Path) -> None:
    source = networks.separable(tmp_path / "separable.onnx")
    images = networks.images(4)
    fitting, nearest = (Quantiser(source, images, "minmax", fit_weights=fit) for fit in (True, False))
    assert nearest.quantised([], images) == nearest.rounded([], images) == fitting.rounded([], images)
    assert fitting.quantised([], images) != nearest.quantised([], images)


def test_a_network_that_tensorrt_would_refuse_is_not_written(tmp_path: Path) -> None:
    quantiser = Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(4), "minmax")
    model = quantiser.quantised([], networks.samples(4))
    name = next(n.input[2] for n in model.graph.node if n.op_type == "QuantizeLinear")
    (zero,) = [i for i in model.graph.initializer if i.name == name]
    zero.CopyFrom(numpy_helper.from_array(np.array(3, np.int8), name))
    with pytest.raises(EngineError, match="its zero point is not 0"):
        quantiser.save(model, tmp_path / "student.int8.onnx")
    assert not (tmp_path / "student.int8.onnx").exists()


def test_every_one_of_several_inputs_is_required(tmp_path: Path) -> None:
    network = networks.stream(tmp_path / "stream.onnx")
    frame, past = np.ones((1, 3, 4, networks.JOINTS, 1), np.float32), np.ones((1, 3), np.float32)
    with pytest.raises(EngineError, match="has 2 inputs, a sample has one"):
        Quantiser(network, [frame], "minmax")
    assert Quantiser(network, [{"frame": frame, "past": past}], "minmax").layers == ["classifier"]


def test_the_callers_log_level_is_restored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(2), "minmax")
    assert logging.root.level == logging.INFO
