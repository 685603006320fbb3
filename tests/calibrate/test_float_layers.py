"""As few layers stay in floating point as the budget needs."""

from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from calibrate.calibration_set import LabelledClips
from calibrate.evaluation.evaluator import Evaluator, Loss
from calibrate.quantisation.float_layers import choose_by_people, choose_float_layers, fewest_float_layers
from calibrate.quantisation.quantise import Quantiser
from calibrate.quantisation.sensitivity import LayerLoss, layer_losses, relative_error
from edge.contract.manifest import AccuracyBudget
from edge.engines.engine import Engine


def decisions(source: bytes, clips: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(source).run(None, {"clip": clips})[0].argmax(1)


@pytest.fixture
def fragile(tmp_path: Path) -> Path:
    """A student whose classifier reads a small channel beside a large one, so that INT8 changes its decisions."""
    model = onnx.load(networks.student(tmp_path / "student.onnx"))
    for initializer in model.graph.initializer:
        if initializer.name in ("w3", "b3"):
            array = onnx.numpy_helper.to_array(initializer).copy()
            # The classifier is a Gemm, whose inputs are not equalised.
            array[0] *= 3000
            initializer.CopyFrom(onnx.numpy_helper.from_array(array, initializer.name))
        if initializer.name == "w4":
            array = onnx.numpy_helper.to_array(initializer).copy()
            array[:, 0] /= 30000
            initializer.CopyFrom(onnx.numpy_helper.from_array(array, initializer.name))
    path = tmp_path / "fragile.onnx"
    onnx.save(model, str(path))
    return path


def labelled(source: Path, count: int = 200) -> LabelledClips:
    clips = networks.clips(count, seed=4)
    return LabelledClips(clips, decisions(source.read_bytes(), clips), np.arange(count))


def quantiser_of(source: Path) -> Quantiser:
    return Quantiser(source, networks.samples(24), "minmax")


def test_no_float_layers_where_int8_meets_the_budget(tmp_path: Path) -> None:
    source = networks.student(tmp_path / "student.onnx")
    choice = choose_float_layers(quantiser_of(source), labelled(source), AccuracyBudget(5, 95))
    assert choice.float_layers == []
    assert [t.float_layers for t in choice.trials] == [0]


def test_layers_are_ranked_only_where_int8_misses_the_budget(tmp_path: Path) -> None:
    quantiser = quantiser_of(networks.student(tmp_path / "student.onnx"))
    choice = fewest_float_layers(
        quantiser, quantiser.samples, lambda model: Loss(95), pytest.fail, AccuracyBudget(5, 95)
    )
    assert choice.float_layers == []


@pytest.mark.parametrize("budget", [AccuracyBudget(100, 98), AccuracyBudget(2, 0)])
def test_as_few_float_layers_as_the_budget_needs(fragile: Path, budget: AccuracyBudget) -> None:
    """The labels are FP32's decisions, so that each one that changes costs top-1 too."""
    clips, quantiser = labelled(fragile), quantiser_of(fragile)
    choice = choose_float_layers(quantiser, clips, budget)
    wanted = decisions(fragile.read_bytes(), clips.clips)

    def alike(layers: list[str]) -> float:
        model = quantiser.quantised(layers, quantiser.samples)
        return 100 * float((decisions(model.SerializeToString(), clips.clips) == wanted).mean())

    assert alike([]) < 98
    assert 0 < len(choice.float_layers) < len(quantiser.layers)
    assert alike(choice.float_layers) >= 98
    assert alike(choice.float_layers[:-1]) < 98


def test_layers_that_are_always_float_are_not_added_twice(fragile: Path) -> None:
    clips, quantiser, budget = labelled(fragile), quantiser_of(fragile), AccuracyBudget(1, 98)
    free = choose_float_layers(quantiser, clips, budget).float_layers
    assert choose_float_layers(quantiser, clips, budget, free).float_layers == free
    spare = next(layer for layer in quantiser.layers if layer not in free)
    choice = choose_float_layers(quantiser, clips, budget, [spare])
    assert choice.float_layers[0] == spare and set(choice.float_layers) == {spare, *free}
    assert choice.trials[0].float_layers == 1


def test_a_budget_that_nothing_meets_leaves_all_layers_in_int8(fragile: Path) -> None:
    quantiser, never = quantiser_of(fragile), Loss(99.9, 0.1)
    ranked = layer_losses(quantiser, quantiser.samples)
    for always, tried in (([], [0, 1, 2, 4]), (quantiser.layers[:2], [2, 3, 4])):
        choice = fewest_float_layers(
            quantiser, quantiser.samples, lambda model: never, lambda: ranked, AccuracyBudget(0, 100), always
        )
        assert choice.float_layers == always
        assert [trial.float_layers for trial in choice.trials] == tried
        assert choice.model == quantiser.quantised(always, quantiser.samples)


def test_a_layer_that_is_always_float_does_not_count_as_the_next_worst(fragile: Path) -> None:
    quantiser = quantiser_of(fragile)
    first, second, *_ = ranked = [LayerLoss(layer, 0, 0) for layer in quantiser.layers]

    def loss(model: onnx.ModelProto) -> Loss:
        in_float = any(second.layer == n.name and n.input[1] == "w2" for n in model.graph.node)
        return Loss(100 if in_float else 0, 0)

    choice = fewest_float_layers(
        quantiser, quantiser.samples, loss, lambda: ranked, AccuracyBudget(0, 100), [first.layer]
    )
    assert choice.float_layers == [first.layer, second.layer]
    assert [trial.float_layers for trial in choice.trials] == [1, 2]


def test_an_error_is_relative_to_the_channels_variance_with_a_lower_limit() -> None:
    wanted = np.array([[-1, 0], [1, 0]], np.float64)  # variances 1 and 0, of both together 0.5
    assert relative_error(wanted + 0.1, wanted) == pytest.approx((0.01 / 1 + 0.01 / 0.0005) / 2)


def test_a_pose_networks_float_layers_are_chosen_by_its_evaluator(tmp_path: Path) -> None:
    source = networks.separable(tmp_path / "pose.onnx")
    images = networks.images(8)
    few, fitted_on = images[:2], images[:4]
    wanted = ort.InferenceSession(str(source)).run(None, {"image": images[0]})[0]
    quantiser = Quantiser(source, images, "minmax")
    ranked = [loss.layer for loss in layer_losses(quantiser, few)]

    def error(given: np.ndarray) -> float:
        return float(np.abs(given - wanted).max())

    def error_with(float_layers: list[str]) -> float:
        source = quantiser.quantised(float_layers, fitted_on).SerializeToString()
        return error(ort.InferenceSession(source).run(None, {"image": images[0]})[0])

    # People count as found if the error is below the geometric mean of all layers in INT8 and the best one alone.
    allowed = np.sqrt(error_with([]) * error_with(ranked[:-1]))

    def loss(engine: Engine) -> Loss:
        return Loss(95.0 if error(engine.run({"image": images[0]})["map"]) < allowed else 60.0)

    evaluator = Evaluator("FP32", images[0], loss)
    choice = choose_by_people(quantiser, few, fitted_on, evaluator, AccuracyBudget(min_agreement=90))
    kept = len(choice.float_layers)
    assert 0 < kept < len(quantiser.layers)
    assert choice.float_layers == ranked[:kept]
    assert choice.model == quantiser.quantised(choice.float_layers, fitted_on)
    assert choice.model != quantiser.quantised(choice.float_layers, few)
    assert error_with(choice.float_layers) < allowed <= error_with(choice.float_layers[:-1])
    assert choose_by_people(quantiser, few, few, evaluator, AccuracyBudget(min_agreement=50)).float_layers == []


def test_a_layer_is_ranked_by_its_largest_error_over_the_outputs(tmp_path: Path) -> None:
    rng, node = np.random.default_rng(0), onnx.helper.make_node
    weights = {name: rng.standard_normal((4, 3, 1, 1)).astype(np.float32) for name in ("w1", "w2")}
    weights["w1"][:, 0] = 100  # large weights on a small channel: their scale rounds away the others
    nodes = [node("Conv", ["image", w], [out], name=out) for w, out in (("w1", "map"), ("w2", "fields"))]
    path = networks.save(tmp_path / "pose.onnx", nodes, weights, (("image", [1, 3, 4, 4]), ("map", [1, 4, 4, 4])))
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_tensor_value_info("fields", onnx.TensorProto.FLOAT, [1, 4, 4, 4]))
    onnx.save(model, str(path))
    silent = np.array([0.01, 1, 1], np.float32).reshape(1, 3, 1, 1)
    images = [silent * rng.standard_normal((1, 3, 4, 4)).astype(np.float32) for _ in range(8)]
    losses = layer_losses(Quantiser(path, images, "minmax"), images)
    # Quantising the image costs the fields next to nothing, and the map its small channel.
    assert [loss.layer for loss in losses] == ["map", "fields"] and all(loss.error > 0.01 for loss in losses)
    assert all(loss.decisions_lost == 0 for loss in losses), "maps are no decisions"
