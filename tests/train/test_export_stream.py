"""Streaming students are exported as bundles of their own, or added to an existing bundle."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibrate.configuration import StreamConfig
from calibrate.stream import quantise_stream
from edge.contract.bundle import Bundle, read_bundle, write_manifest
from edge.contract.errors import ConfigError, DataError, OutputError
from edge.contract.normalisation import Centre
from edge.contract.preprocess import Preprocessing
from edge.recognition.decisions import DecisionConfig
from edge.recognition.form import open_student
from edge.recognition.recogniser import RecogniserConfig
from edge.recognition.streaming.network import open_stream
from edge.recognition.streaming.recogniser import StreamRecogniser
from train.checkpoint import load_checkpoint, save_checkpoint
from train.configuration import Hardware, TeacherConfig
from train.data.configuration import DataConfig
from train.data.pairs import PairConfig
from train.export.bundle import export
from train.export.configuration import ExportConfig, StreamExportConfig
from train.export.stream import export_stream
from train.optimiser import Optimiser
from train.teach import train_teacher

STREAMED = RecogniserConfig(precision="fp32", form="stream", threads=1)


def trained(out: Path, network: str, centre: Centre, frames: int = 16) -> Path:
    """A run of one epoch on generated clips."""
    how = Preprocessing(length_frames=frames, fps=10, centre=centre)
    pairs = PairConfig(preprocessing=how, layout="penn-13", span="window")
    train_teacher(
        TeacherConfig(
            out=out,
            data=DataConfig(clips_per_class=6, pairs=pairs),
            network=network,
            width=8,
            see="lq",
            optimiser=Optimiser(epochs=1, batch=16),
            hardware=Hardware(threads=1),
        )
    )
    return out


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of a streaming student and its quantised bundle."""
    folder = tmp_path_factory.mktemp("streaming")
    trained(folder / "run", "dense_gcn_stream", "trailing")
    export(ExportConfig(run=folder / "run", bundle=folder / "bundle", workdir=folder / "work", reference_clips=16))
    clips, test = folder / "work" / "calibration.npz", folder / "work" / "test.npz"
    quantise_stream(StreamConfig(bundle=folder / "bundle", clips=clips, test=test, method="minmax", samples=8))
    return folder


def by_hand(bundle: Bundle, work: Path, name: str) -> tuple[float, np.ndarray]:
    """Top-1 on the test clips, each streamed from fresh states, and the logits."""
    recogniser = open_student(bundle, STREAMED, DecisionConfig())
    assert isinstance(recogniser, StreamRecogniser)
    with np.load(work / name) as test:
        logits = recogniser._network.logits(test["clips"])
        return float((logits.argmax(1) == test["labels"]).mean()), logits


def test_a_streaming_run_becomes_a_bundle_with_both_forms(streaming: Path) -> None:
    bundle = read_bundle(streaming / "bundle")
    form = bundle.manifest.stream
    assert form is not None and form.preprocessing == bundle.manifest.preprocessing
    right, logits = by_hand(bundle, streaming / "work", "test.npz")
    with np.load(streaming / "work/test.npz") as test:
        correct = logits.argmax(1) == test["labels"]
        mean_class = np.mean([correct[test["labels"] == label].mean() for label in set(test["labels"])])
    assert form.accuracy["fp32"]["top1"] == pytest.approx(right, abs=1e-4)
    # Its clip form is causal too, so from fresh states both have the same accuracy.
    assert form.accuracy["fp32"]["top1"] == pytest.approx(bundle.manifest.accuracy["fp32"]["top1"], abs=0.02)
    assert form.accuracy["test_clips"] == bundle.manifest.accuracy["test_clips"] == len(logits)
    assert form.accuracy["fp32"]["mean_class"] == pytest.approx(mean_class, abs=1e-4)
    assert 0 < form.accuracy["int8"]["agreement"] <= 1 and set(form.frames_per_clip) == {"fp32"}
    assert open_student(bundle, STREAMED, DecisionConfig()).self_test(bundle).error < 1e-4
    # At 20 decisions per second streaming is always cheaper than a clip per decision.
    student = open_student(bundle, RecogniserConfig(precision="fp32"), DecisionConfig(hz=20))
    assert isinstance(student, StreamRecogniser)


def test_a_stream_is_added_to_the_bundle_of_a_non_causal_student(streaming: Path, tmp_path: Path) -> None:
    trained(tmp_path / "student", "dense_gcn", "trend")
    export(ExportConfig(run=tmp_path / "student", bundle=tmp_path / "bundle", workdir=tmp_path, reference_clips=16))
    before = read_bundle(tmp_path / "bundle")
    assert before.manifest.stream is None
    export_stream(StreamExportConfig(streaming / "run", tmp_path / "bundle", tmp_path))
    after = read_bundle(tmp_path / "bundle")
    assert after.manifest.stream is not None and after.manifest.stream.preprocessing.centre == "trailing"
    assert after.manifest.preprocessing.centre == "trend"
    assert after.manifest.stream.training["network"] == "dense_gcn_stream"
    assert len(after.reference("stream.reference.npz")["clips"]) == 16
    assert after.file("student.onnx").read_bytes() == before.file("student.onnx").read_bytes()
    with np.load(tmp_path / "stream_calibration.npz") as calibration:
        assert len(calibration["clips"]) == 4 * 12, "training clips"
    right, logits = by_hand(after, tmp_path, "stream_test.npz")
    assert after.manifest.stream.accuracy["fp32"]["top1"] == pytest.approx(right, abs=1e-4)
    assert after.manifest.stream.accuracy["test_clips"] == len(logits)


def test_steps_of_fewer_frames_give_equal_logits_and_replace_the_other_networks(
    streaming: Path, tmp_path: Path
) -> None:
    bundle, answers = tmp_path / "bundle", []
    shutil.copytree(streaming / "bundle", bundle)
    assert (bundle / "stream.4.int8.onnx").is_file()
    for frames, dues in ((2, "24"), (1, "124"), (4, "4")):
        export_stream(StreamExportConfig(streaming / "run", bundle, tmp_path, frames=frames))  # type: ignore[arg-type]
        # No network of another step size, and no INT8 network of the previous export.
        assert sorted(path.name for path in bundle.glob("stream.*.onnx")) == [f"stream.{due}.onnx" for due in dues]
        assert open_stream(bundle).frames == frames
        open_student(read_bundle(bundle), STREAMED, DecisionConfig()).self_test(read_bundle(bundle)).require(
            "the student"
        )
        answers.append(by_hand(read_bundle(bundle), tmp_path, "stream_test.npz")[1])
    np.testing.assert_allclose(answers[0], answers[2], atol=1e-4)
    np.testing.assert_allclose(answers[1], answers[2], atol=1e-4)


def test_what_fails_halfway_leaves_the_bundle_as_it_was(
    streaming: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With new files beside old ones it would be refused."""
    folder, run = shutil.copytree(streaming / "bundle", tmp_path / "bundle"), streaming / "run"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("train.export.onnx_file.TOLERANCE", 1e-12)
    with pytest.raises(DataError, match=r"^the exported stream differs from PyTorch by "):
        export_stream(StreamExportConfig(run, folder, tmp_path / "work", frames=2))
    monkeypatch.undo()
    monkeypatch.setattr("train.export.stream.export_stream_form", interrupted)
    (folder / "bundle.partial.yaml").mkdir()
    with pytest.raises(OutputError, match=r"bundle\.yaml: cannot be written"):  # before the work
        export_stream(StreamExportConfig(run, folder, tmp_path / "work"))
    (folder / "bundle.partial.yaml").rmdir()
    monkeypatch.setattr("train.export.bundle.export_stream_form", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(ExportConfig(run, folder, tmp_path / "work", name="other", reference_clips=16))
    monkeypatch.setattr("calibrate.stream._logits", interrupted)
    clips, test = streaming / "work" / "calibration.npz", streaming / "work" / "test.npz"
    with pytest.raises(KeyboardInterrupt):
        quantise_stream(StreamConfig(bundle=folder, clips=clips, test=test, method="mse", samples=8))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_runs_that_do_not_stream_or_fit_the_bundle_are_refused(streaming: Path, tmp_path: Path) -> None:
    for network, centre, frames, why in (
        ("dense_gcn", "trend", 16, "dense_gcn of 1 bodies does not stream"),
        ("dense_gcn_stream", "trailing", 24, "have different frames per clip: 24 and 16"),
    ):
        other = trained(tmp_path / network, network, centre, frames)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=why):
            export_stream(StreamExportConfig(other, streaming / "bundle", tmp_path))
    run = load_checkpoint(streaming / "run")
    save_checkpoint(tmp_path, replace(run, about=run.about | {"bodies": 2}))
    with pytest.raises(ConfigError, match="dense_gcn_stream of 2 bodies does not stream"):
        export_stream(StreamExportConfig(tmp_path, streaming / "bundle", tmp_path))
    known = read_bundle(streaming / "bundle").manifest
    for number, (change, why) in enumerate((
        ({"classes": known.classes[::-1]}, "have different classes: "),
        ({"preprocessing": replace(known.preprocessing, fps=12)}, "different frames per second: 10 and 12"),
        ({"layout": "coco-17", "input_shape": (1, 3, 16, 17, 1)}, "different joints: penn-13 and coco-17"),
        ({"input_shape": (1, 3, 16, 13, 2)}, "different bodies per clip: 1 and 2"),
    )):  # fmt: skip
        other = shutil.copytree(streaming / "bundle", tmp_path / f"bundle{number}")
        write_manifest(other, replace(known, stream=None, **change))  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=why):
            export_stream(StreamExportConfig(streaming / "run", other, tmp_path))
    assert run.training_summary()["epochs"] == 1
