"""An INT8 student with bad ranges learns to agree with its FP32 student again."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from lightning_fabric import Fabric
from onnx import numpy_helper

from calibrate.quantisation.quantise import Quantiser
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import BundleError, ConfigError, DataError
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
from train.quantise_aware.quantised_network import quantised_student
from train.quantise_aware.student import quantise_aware, quantised_losses
from train.step import Batch, Distillation
from train.teach import train_student, train_teacher

HARDWARE = Hardware(threads=1)


@dataclass(frozen=True)
class Spoilt:
    """Runs of a teacher and a student, and a bundle whose INT8 student is inaccurate."""

    folder: Path

    def config(self, epochs: int = 30) -> QuantiseAwareConfig:
        return QuantiseAwareConfig(
            run=self.folder / "student", teacher=self.folder / "teacher", bundle=self.folder / "bundle",
            out=self.folder / "int8", optimiser=FineTuning(epochs, batch=16, learning_rate=5e-3),
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
    learning = Optimiser(epochs=40, batch=16, learning_rate=0.1, schedule="cosine")
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
    assert bundle.manifest.training["quantise_aware_epochs"] == 30 and "fp32" in bundle.manifest.accuracy
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
