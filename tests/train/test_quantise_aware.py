"""An INT8 student with bad ranges learns to agree with its FP32 student again."""

from dataclasses import dataclass, replace
from pathlib import Path

import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from lightning_fabric import Fabric
from onnx import numpy_helper

from calibrate.quantisation.quantise import Quantiser
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import BundleError, ConfigError, DataError, EngineError
from edge.contract.layouts import layout
from edge.contract.preprocess import Preprocessing
from train.checkpoint import load_checkpoint, save_checkpoint
from train.configuration import Hardware, StudentConfig, TeacherConfig
from train.data.configuration import DataConfig
from train.data.pairs import PairConfig
from train.evaluate import Accuracy
from train.export.bundle import export, onnx_logits
from train.export.configuration import ExportConfig
from train.fit import Run, fit
from train.networks.registry import build
from train.optimiser import Optimiser
from train.quantise_aware.configuration import FineTuning, QuantiseAwareConfig
from train.quantise_aware.onnx_operators import OPERATORS, convolution_bfloat16_gradients, quantise
from train.quantise_aware.quantised_network import QuantisedGraph, quantised_student
from train.quantise_aware.student import quantise_aware, quantised_losses
from train.step import Batch, Distillation
from train.teach import train_student, train_teacher

HARDWARE = Hardware(threads=1)


def as_written(path: Path, clips: np.ndarray, *tensors: str) -> list[np.ndarray]:
    """Run the Q/DQ graph literally, without ONNX Runtime's integer kernels."""
    model = onnx.load(path)
    model.graph.output.extend(onnx.helper.make_tensor_value_info(t, 1, None) for t in tensors)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options).run(None, {"clip": clips})


@pytest.fixture
def int8(tmp_path: Path) -> Path:
    """A small student in INT8, its second layer in floating point."""
    path = tmp_path / "student.int8.onnx"
    quantiser = Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(16), "minmax")
    quantiser.write(path, ["spatial"])
    return path


@pytest.mark.parametrize("count", [1, 12])
def test_logits_and_features_equal_onnx_runtimes_a_channel_without_weights_included(int8: Path, count: int) -> None:
    model = onnx.load(int8)
    weight = next(i for i in model.graph.initializer if i.data_type == onnx.TensorProto.INT8 and len(i.dims) == 4)
    without = np.where(np.arange(weight.dims[0]) == 1, 0, numpy_helper.to_array(weight).T).T.astype(np.int8)
    weight.CopyFrom(numpy_helper.from_array(without, weight.name))
    onnx.save(model, int8)
    clips = networks.clips(count, seed=5)
    with torch.inference_mode():
        logits, features = quantised_student(int8)(torch.from_numpy(clips))
    wanted, pooled = as_written(int8, clips, "x3")
    np.testing.assert_allclose(logits.numpy(), wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(features.numpy(), pooled, rtol=1e-4, atol=1e-4)


def test_the_gradient_passes_rounding_and_stops_at_clipping() -> None:
    # The largest weight of a channel rounds to the last step: 1.04, but not 1.06.
    x = torch.tensor([-9.0, -0.6, 0.2, 0.26, 1.04, 1.06], requires_grad=True)
    y = quantise(x, torch.tensor(0.1), -10, 10) * 0.1
    np.testing.assert_allclose(y.detach().numpy(), [-1, -0.6, 0.2, 0.3, 1, 1], rtol=1e-6)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(gradient.numpy(), [0, 1, 1, 1, 1, 0])


def test_the_gradient_of_a_step_is_that_of_learned_step_size_quantization() -> None:
    # Esser et al., equation 3: round(v/s) - v/s inside the range, its end outside; by hand for s = 0.5, ends -2, 2.
    for v, wanted in ((0.6, 1 - 1.2), (-0.9, -2 + 1.8), (3.0, 2.0), (-3.0, -2.0)):
        step = torch.tensor(0.5, requires_grad=True)
        (quantise(torch.tensor([v]), step, -2, 2) * step).sum().backward()
        assert step.grad is not None
        assert float(step.grad) == pytest.approx(wanted, abs=1e-6)


def test_per_channel_steps_have_separate_gradients() -> None:
    step = torch.tensor([[0.5], [0.25]], requires_grad=True)
    (quantise(torch.tensor([[0.6, 3.0], [0.3, 0.3]]), step, -2, 2) * step).sum().backward()
    assert step.grad is not None
    np.testing.assert_allclose(step.grad.numpy().ravel(), [-0.2 + 2, 2 * (1 - 1.2)], atol=1e-6)


def test_trained_steps_are_written(int8: Path, tmp_path: Path) -> None:
    wanted = onnx.load(int8).graph.output[0].name
    network, clips = QuantisedGraph(int8, [wanted], learn_steps=True), networks.clips(12, seed=5)
    with torch.no_grad():
        for number, moved in enumerate(network.steps):
            moved += 0.1 * (number % 3 - 1.5)
        (logits,) = network(torch.from_numpy(clips))
    network.write(tmp_path / "trained.int8.onnx")
    (given,) = as_written(tmp_path / "trained.int8.onnx", clips)
    np.testing.assert_allclose(given, logits.numpy(), rtol=1e-4, atol=1e-4)
    assert np.abs(given - as_written(int8, clips)[0]).max() > 1e-3
    before, after = (onnx.load(path).graph for path in (int8, tmp_path / "trained.int8.onnx"))
    steps = {n.input[1] for n in before.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")}
    kept = {i.name for i, j in zip(before.initializer, after.initializer, strict=True) if i == j}
    assert steps and not steps & kept, "those of weights are trained too"


@pytest.mark.parametrize(
    "attributes", [{"pads": [1, 1, 1, 1]}, {"pads": [0, 1, 2, 1], "strides": [2, 1]}, {"group": 2}]
)
def test_bfloat16_gradients_are_close_to_the_gradients(attributes: dict[str, object]) -> None:
    generator = torch.Generator().manual_seed(0)
    groups = attributes.get("group", 1)
    weight = torch.randn(6, 4 // int(str(groups)), 3, 3, generator=generator)
    inputs = (torch.randn(2, 4, 9, 8, generator=generator), weight, torch.randn(6, generator=generator))
    gradients = []
    for convolution in (OPERATORS["Conv"], convolution_bfloat16_gradients):
        leaves = [x.clone().requires_grad_() for x in inputs]
        given = convolution(attributes, *leaves)
        given.square().sum().backward()
        gradients.append([given.detach(), *(x.grad for x in leaves)])
    for exact, coarse in zip(*gradients, strict=True):
        np.testing.assert_allclose(coarse, exact, atol=0.02 * float(exact.abs().max()))
    np.testing.assert_allclose(gradients[0][0], gradients[1][0], rtol=1e-5, atol=1e-5)


def test_only_trained_weights_are_changed_in_the_file(int8: Path, tmp_path: Path) -> None:
    network, before = quantised_student(int8), onnx.load(int8)
    assert len(network.shares) == 4 + 4 + 1  # weights, biases, the joint-mixing matrix
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.shares:
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
        clips = networks.clips(12, seed=5)
        logits = network(torch.from_numpy(clips))[0].numpy()
    network.write(tmp_path / "trained.int8.onnx")
    (given,) = as_written(tmp_path / "trained.int8.onnx", clips)
    np.testing.assert_allclose(given, logits, rtol=1e-4, atol=1e-4)
    assert np.abs(given - as_written(int8, clips)[0]).max() > 0.1
    after = onnx.load(tmp_path / "trained.int8.onnx")
    assert after.graph.node == before.graph.node
    arrays = [{i.name: numpy_helper.to_array(i) for i in m.graph.initializer} for m in (before, after)]
    changed = {name for name in arrays[0] if not np.array_equal(arrays[0][name], arrays[1][name])}
    assert len(changed) == 9 and {"mix", "b1", "b2", "b3", "b4"} < changed
    assert all(arrays[0][name].dtype == arrays[1][name].dtype for name in arrays[0])
    assert all(a.min() >= -127 for a in arrays[1].values() if a.dtype == np.int8)
    assert quantised_student(tmp_path / "trained.int8.onnx").structure_digest() == network.structure_digest()


@pytest.mark.parametrize(
    ("operator", "attribute", "value"),
    [
        ("AveragePool", "pads", [0, 1, 0, 1]),
        ("AveragePool", "ceil_mode", 1),
        ("Conv", "auto_pad", "SAME_UPPER"),
        ("DequantizeLinear", "axis", 1),
        ("Gemm", "alpha", 0.5),
    ],
)
def test_an_attribute_that_training_would_ignore_is_refused(
    int8: Path, operator: str, attribute: str, value: object
) -> None:
    model = onnx.load(int8)
    (pool,) = [n for n in model.graph.node if n.op_type == "GlobalAveragePool"]
    same = {"kernel_shape": [networks.FRAMES, networks.JOINTS], "pads": [0] * 4, "ceil_mode": 0, "auto_pad": "NOTSET"}
    pool.CopyFrom(onnx.helper.make_node("AveragePool", pool.input, pool.output, **same))
    onnx.save(model, int8)
    quantised_student(int8)
    (node, *_) = [n for n in model.graph.node if n.op_type == operator]
    for stated in [a for a in node.attribute if a.name == attribute]:
        node.attribute.remove(stated)
    node.attribute.append(onnx.helper.make_attribute(attribute, value))
    onnx.save(model, int8)
    with pytest.raises(EngineError, match=rf"is a {operator} with {attribute} .+, which is not supported in training"):
        quantised_student(int8)


def test_a_float_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is not quantised"):
        quantised_student(networks.student(tmp_path / "student.onnx"))


@dataclass(frozen=True)
class Spoilt:
    """Runs of a teacher and a student, and a bundle whose INT8 student is inaccurate."""

    folder: Path

    def config(self, epochs: int = 10) -> QuantiseAwareConfig:
        return QuantiseAwareConfig(
            run=self.folder / "student", teacher=self.folder / "teacher", bundle=self.folder / "bundle",
            out=self.folder / "int8", optimiser=FineTuning(epochs, batch=16, learning_rate=2e-3),
            hardware=HARDWARE,
        )  # fmt: skip

    def agreement(self) -> float:
        with np.load(self.folder / "test.npz") as arrays:
            clips = arrays["clips"]
        fp32, int8 = (
            ort.InferenceSession(str(self.folder / "bundle" / f"student{kind}.onnx")).run(None, {"clip": clips})[0]
            for kind in ("", ".int8")
        )
        return float((fp32.argmax(1) == int8.argmax(1)).mean())


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Spoilt:
    """Trained on generated clips; the ranges of the INT8 file are three times too narrow."""
    folder = tmp_path_factory.mktemp("spoilt")
    pairs = PairConfig(preprocessing=Preprocessing(length_frames=8, fps=4.0), drop=0.2, redraw=False)
    data = DataConfig(clips_per_class=12, pairs=pairs)
    learning = Optimiser(epochs=20, batch=16, learning_rate=0.1, schedule="cosine")
    how = {"data": data, "width": 8, "optimiser": learning, "hardware": HARDWARE}
    train_teacher(TeacherConfig(out=folder / "teacher", network="dense_gcn", **how))
    train_student(StudentConfig(out=folder / "student", teacher=folder / "teacher", method="ours", **how))
    export(ExportConfig(run=folder / "student", bundle=folder / "bundle", workdir=folder, reference_clips=16))
    with np.load(folder / "calibration.npz") as arrays:
        samples = list(arrays["clips"][:32, None])
    path = folder / "bundle/student.int8.onnx"
    Quantiser(folder / "bundle/student.onnx", samples, "minmax").write(path)
    model = onnx.load(path)
    steps = {n.input[1] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    for initializer in model.graph.initializer:
        if initializer.name in steps:
            narrow = numpy_helper.to_array(initializer) * np.float32(0.3)
            initializer.CopyFrom(numpy_helper.from_array(narrow, initializer.name))
    onnx.save(model, str(path))
    write_manifest(folder / "bundle", read_bundle(folder / "bundle").manifest)
    return Spoilt(folder)


def test_a_network_that_was_wrongly_converted_does_not_replace_the_bundles(
    spoilt: Spoilt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, adapters, int8 = list[Run](), list[torch.Tensor](), spoilt.folder / "bundle/student.int8.onnx"

    def recorded(run: Run, fabric: Fabric) -> Accuracy:
        runs.append(run)
        adapters.append(run.extra.get_parameter("weight").detach().clone())
        return fit(run, fabric)

    monkeypatch.setattr("train.quantise_aware.student.fit", recorded)
    monkeypatch.setattr("train.quantise_aware.student.LOGIT_TOLERANCE", -1)
    before = int8.read_bytes()
    with pytest.raises(DataError, match="logits differ from PyTorch's"):
        quantise_aware(replace(spoilt.config(epochs=1), out=tmp_path))
    # It goes on as the student's training ended: with its adapter, and corruption redrawn, as its method says.
    assert torch.equal(adapters[0], load_checkpoint(spoilt.folder / "student").extra["weight"])
    assert [part.config.redraw for part in (runs[0].train, runs[0].test)] == [True, False]
    resumed_if_equal = {"eight_bits": quantised_student(int8).structure_digest(), "keep": 30.0}
    assert resumed_if_equal.items() <= runs[0].about.items()
    assert read_bundle(spoilt.folder / "bundle").file("student.int8.onnx").read_bytes() == before


def test_training_restores_the_decisions_that_int8_lost(spoilt: Spoilt, tmp_path: Path) -> None:
    before, steps = spoilt.agreement(), quantised_student(spoilt.folder / "bundle/student.int8.onnx").structure_digest()
    quantise_aware(spoilt.config())
    after, bundle = spoilt.agreement(), read_bundle(spoilt.folder / "bundle")
    assert before < 0.9
    assert after > before + (1 - before) / 2
    written = bundle.file("student.int8.onnx")
    assert quantised_student(written).structure_digest() == steps
    with np.load(spoilt.folder / "test.npz") as test:
        right = float((onnx_logits(written, test["clips"]).argmax(1) == test["labels"]).mean())
    assert bundle.manifest.accuracy["int8"] == pytest.approx({"top1": right, "agreement": after}, abs=1e-4)
    assert bundle.manifest.training["quantise_aware_epochs"] == 10 and "fp32" in bundle.manifest.accuracy
    # The teacher's loss and the distance from the FP32 student are both used.
    history = torch.load(spoilt.folder / "int8/checkpoint.pt", weights_only=True)["history"]
    assert {"task", "vertices", "float"} <= history[0].keys()
    assert history[-1]["float"] < history[0]["float"]
    # Repeating the command trains nothing, although the INT8 file is now the trained one.
    trained = written.read_bytes()
    quantise_aware(spoilt.config())
    assert written.read_bytes() == trained
    other = load_checkpoint(spoilt.folder / "teacher")
    other.best["fc.bias"][0] += 1
    save_checkpoint(tmp_path, other)
    with pytest.raises(ConfigError, match="a run with another teacher;"):
        quantise_aware(replace(spoilt.config(), teacher=tmp_path))


def test_the_distance_from_the_fp32_student_is_that_of_the_logits_of_the_same_lq_clips() -> None:
    torch.manual_seed(0)
    student, fp32 = (
        build("dense_gcn", classes=3, layout=layout("penn-13"), bodies=1, width=4).eval() for _ in range(2)
    )
    fp32.load_state_dict(student.state_dict())
    fp32.get_parameter("fc.bias").data += 0.5
    batch = Batch(torch.randn(2, 3, 8, 13, 1), torch.randn(2, 3, 8, 13, 1), torch.eye(3)[:2])
    distillation = Distillation(student, torch.nn.Identity(), {"vertices": 1.0})
    for keep, wanted in ((2.0, {"float": 2.0 * 0.5**2}), (0.0, {})):
        found = quantised_losses(student, fp32, distillation, batch, keep, Fabric(accelerator="cpu", devices=1))
        assert list(found) == ["task", "vertices", *wanted]
        assert {name: found[name].item() for name in wanted} == pytest.approx(wanted, rel=1e-4)


def test_a_run_without_a_teacher_and_a_foreign_bundle_are_refused(spoilt: Spoilt, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trained without a teacher"):
        quantise_aware(replace(spoilt.config(), run=spoilt.folder / "teacher"))
    saved = torch.load(spoilt.folder / "student/checkpoint.pt", weights_only=True)
    (tmp_path / "run").mkdir()
    torch.save(saved | {"extra": {}}, tmp_path / "run/checkpoint.pt")
    with pytest.raises(DataError, match=r"run/checkpoint\.pt: written by another version of skd-edge"):
        quantise_aware(replace(spoilt.config(), run=tmp_path / "run"))
    with pytest.raises(ConfigError, match="bfloat16"):
        replace(spoilt.config(), hardware=Hardware(precision="bf16-mixed"))
    with pytest.raises(ConfigError, match="no early stopping"):
        replace(spoilt.config(), optimiser=FineTuning(patience=2))
    other = tmp_path / "bundle"
    other.mkdir()
    for file in (spoilt.folder / "bundle").iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    with np.load(other / "reference.npz") as arrays:
        np.savez(other / "reference.npz", clips=arrays["clips"], logits=arrays["logits"] + 1)
    write_manifest(other, read_bundle(other).manifest)
    with pytest.raises(BundleError, match="another student"):
        quantise_aware(replace(spoilt.config(), bundle=other))
