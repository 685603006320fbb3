"""Export of a trained run as a bundle whose network computes what PyTorch does."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from skeleton_files import standing, write_ntu
from torch import nn

from calibrate.tensorrt.rules import violations
from edge.contract.bundle import read_bundle
from edge.contract.errors import ConfigError, DataError
from edge.contract.layouts import layout
from edge.contract.preprocess import Preprocessing
from edge.engines.registry import open_engine
from train.checkpoint import Checkpoint, load_checkpoint, load_trained, save_checkpoint
from train.configuration import Hardware, TeacherConfig
from train.data.configuration import DataConfig
from train.data.corruption.estimator_errors import EstimatorErrors
from train.data.generated.kinematic import first_test_clips, make_kinematic
from train.data.pairs import PairConfig, PairDataset
from train.export.bundle import export, generated_clips, load_clips, onnx_logits, reference_clips, write_onnx
from train.export.configuration import ExportConfig
from train.networks.registry import build
from train.optimiser import Optimiser
from train.teach import train_teacher

PAIRS = PairConfig(
    preprocessing=Preprocessing(length_frames=16, fps=10),
    layout="penn-13",
    span="window",
    estimator_errors=EstimatorErrors(cut_off=0.5),
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of one epoch and its bundle."""
    folder = tmp_path_factory.mktemp("export")
    train_teacher(
        TeacherConfig(
            out=folder / "run",
            data=DataConfig(clips_per_class=6, pairs=PAIRS),
            network="dense_gcn",
            width=8,
            see="lq",
            optimiser=Optimiser(epochs=1, batch=16),
            hardware=Hardware(threads=1),
        )
    )
    export(ExportConfig(run=folder / "run", bundle=folder / "bundle", workdir=folder / "work", reference_clips=16))
    return folder


# The sizes of DenseGCN differ only in width, and Shift-GCN's teacher only lacks parts of its student.
@pytest.mark.parametrize(("name", "bodies"), [("shift_gcn_student", 2), ("dense_gcn", 2), ("dense_gcn", 1)])
def test_every_exported_network_computes_what_pytorch_does(name: str, bodies: int, tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = build(name, classes=5, layout=layout("penn-13"), bodies=bodies, width=8).eval()
    with torch.no_grad():  # statistics unlike those of a new BatchNorm
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
    clips = np.random.default_rng(0).standard_normal((5, 3, 16, 13, bodies)).astype(np.float32)
    path = tmp_path / "student.onnx"
    write_onnx(network, clips[:2], path)

    model = onnx.load(path)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    kinds = Counter(node.op_type for node in model.graph.node)
    if name == "dense_gcn":
        plain = {"Conv", "MatMul", "Relu", "Add", "AveragePool", "Gemm", "Reshape", "Squeeze"}
        bodies_apart = {"Transpose", "ReduceSum", "Div", "Mul"} if bodies > 1 else set()
        assert set(kinds) <= plain | bodies_apart, "BatchNorm is not folded"
    else:
        # Two temporal shifts per unit, each a product with a constant: the offsets are constant-folded.
        constants = {entry.name for entry in model.graph.initializer}
        products = [node for node in model.graph.node if node.op_type == "MatMul"]
        assert len(products) == 30 and all(constants & set(node.input) for node in products)
        assert not {"Abs", "Tanh", "Range", "Slice"} & set(kinds)
    engine = open_engine(path)
    for count in (1, 5):
        with torch.inference_mode():
            expected = network(torch.from_numpy(clips[:count]))[0].numpy()
        np.testing.assert_allclose(engine.run({"clip": clips[:count]})["logits"], expected, atol=1e-4, rtol=1e-4)


def test_the_deployed_student_has_one_matrix_product_per_unit_and_no_batch_norm(exported: Path) -> None:
    model = onnx.load(exported / "bundle" / "student.onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("MatMul") == 6
    assert "BatchNormalization" not in kinds and "Transpose" not in kinds
    assert violations(model) == []


def test_a_second_export_removes_what_belongs_to_the_former_student(exported, tmp_path, capsys) -> None:
    former = {"calibration.json", "decisions.json", "stream.4.int8.onnx", "stream.reference.npz", "student.int8.onnx"}
    for name in (*former, "pose.int8.onnx"):
        (tmp_path / name).write_text("{}")
    export(ExportConfig(exported / "run", tmp_path, tmp_path / "work", name="second", reference_clips=16))
    assert read_bundle(tmp_path).manifest.name == "second"
    assert set(read_bundle(tmp_path).manifest.files) == {"pose.int8.onnx", "reference.npz", "student.onnx"}
    said = capsys.readouterr().err
    assert set("".join(said.split("former student: ")[1].split("bundle")[0].split()).split(",")) == former
    top1 = read_bundle(tmp_path).manifest.accuracy["fp32"]["top1"]
    assert f"FP32 top-1 {100 * top1:.2f} % on 24 test clips" in " ".join(said.split())


def test_a_network_that_differs_from_pytorch_is_not_written(tmp_path: Path) -> None:
    network = build("dense_gcn", classes=3, layout=layout("penn-13"), bodies=1, width=8)
    with torch.no_grad():
        network.get_parameter("fc.weight").fill_(float("nan"))
    clips = np.zeros((2, 3, 16, 13, 1), np.float32)
    with pytest.raises(DataError, match="differs from PyTorch by nan"):
        write_onnx(network, clips, tmp_path / "student.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_bundle_is_complete_and_records_its_training(exported: Path) -> None:
    bundle = read_bundle(exported / "bundle")
    manifest = bundle.manifest
    assert manifest.input_shape == (1, 3, 16, 13, 1) and manifest.name == "bundle"
    assert manifest.layout == "penn-13"
    assert manifest.preprocessing == PAIRS.preprocessing
    assert manifest.classes == make_kinematic(3, seed=0).classes
    trained = {"dataset": "kinematic", "split": "by person, every third one tests", "network": "dense_gcn", "width": 8}
    assert {k: v for k, v in manifest.training.items() if v is not None} == trained | {"seed": 0, "epochs": 1}
    reference = bundle.reference()
    given = open_engine(bundle.file("student.onnx")).run({"clip": reference["clips"]})["logits"]
    np.testing.assert_allclose(given, reference["logits"], atol=1e-5)
    given = onnx_logits(bundle.file("student.onnx"), reference["clips"].repeat(5, axis=0))
    np.testing.assert_allclose(given, reference["logits"].repeat(5, axis=0), atol=1e-5, err_msg="more than a batch")


def test_only_an_unfinished_run_is_exported_with_a_warning(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_trained(exported / "run")
    assert capsys.readouterr().err == ""
    whole = load_checkpoint(exported / "run")
    settings = whole.about["optimiser"] | {"epochs": 55}
    (tmp_path / "run").mkdir()
    save_checkpoint(tmp_path / "run", replace(whole, about=whole.about | {"optimiser": settings}))
    load_trained(tmp_path / "run")
    message = " ".join(capsys.readouterr().err.split())
    assert "warning:" in message and "only 1 of 55 epochs are trained; repeat its command to train the rest" in message


def test_a_run_on_a_recorded_dataset_needs_its_folder(exported: Path) -> None:
    checkpoint = load_checkpoint(exported / "run")
    recorded = replace(checkpoint, about=checkpoint.about | {"source": "video_pairs"})
    with pytest.raises(ConfigError, match=r"trained on video_pairs; give that dataset's folder with --data$"):
        load_clips(recorded, None)


@pytest.mark.parametrize(("key", "others"), [("classes", ["bow", "jump"]), ("layout", "coco-17"), ("bodies", 2)])
def test_a_dataset_that_has_changed_since_the_training_is_refused(exported: Path, key: str, others: object) -> None:
    """Its labels would be of other classes, or beyond the network's."""
    checkpoint = load_checkpoint(exported / "run")
    with pytest.raises(ConfigError, match=f"trained with other {key}; give the data it was trained on, or train"):
        load_clips(replace(checkpoint, about=checkpoint.about | {key: others}), None)


def test_a_run_on_generated_scenes_is_exported_with_them(exported: Path) -> None:
    checkpoint = load_checkpoint(exported / "run")
    generated = replace(checkpoint, about=checkpoint.about | {"scenes": 2, "seed": 7})
    both = load_clips(generated, Path("not read"), redraw=False)
    assert any("scene" in clip.id for part in both for clip in part.clips)
    assert [part.config.redraw for part in both] == [False, True], "only training clips are redrawn"
    assert [part.seed for part in both] == [7, 0]


def test_the_export_reads_the_split_and_the_cache_of_the_training(tmp_path: Path) -> None:
    for camera in (1, 2, 3):
        write_ntu(tmp_path / "data" / f"S001C00{camera}P003R002A013.skeleton", [[standing(seed=camera)]] * 3)
    recorded = DataConfig("ntu60", tmp_path / "data", split="xview", cache=tmp_path / "cache", pairs=PAIRS)
    short = {"network": "dense_gcn", "width": 4, "optimiser": Optimiser(epochs=1), "hardware": Hardware(threads=1)}
    train_teacher(TeacherConfig(out=tmp_path / "run", data=recorded, **short))
    checkpoint = load_trained(tmp_path / "run")
    train, test = load_clips(checkpoint, tmp_path / "data", tmp_path / "cache")
    assert [clip.id[4:8] for clip in (*test.clips, *train.clips)] == ["C001", "C002", "C003"], "camera 1 tests"
    parsed = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert "ntu60-xview.joints" in parsed
    again, _ = load_clips(checkpoint, tmp_path / "data", tmp_path / "cache")
    np.testing.assert_array_equal(again.clips[0].joints, train.clips[0].joints)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == parsed


def test_reference_clips_are_generated_and_start_with_every_class(exported: Path) -> None:
    with np.load(exported / "bundle" / "reference.npz") as stored:
        assert stored["clips"].dtype == np.float16 and stored["clips"].shape == (16, 3, 16, 13, 1)
        clips = stored["clips"]
    np.testing.assert_array_equal(generated_clips(PAIRS, 40)[:16], clips)
    assert len(generated_clips(replace(PAIRS, poor="recorded"), 2)) == 2, "without a second recording"
    unchosen = Checkpoint({"bodies": 1, "layout": "penn-13", "pairs": {}}, {}, {}, {}, {}, {}, [])
    assert reference_clips(unchosen, clips.astype(np.float32), 2).shape == (2, 3, 32, 13, 1), "the dataset's joints"
    people = first_test_clips(40, seed=0)
    assert not any(clip.train for clip in people.clips)
    assert [clip.label for clip in people.clips[:12]] == list(range(12))
    # They are clips of the generated dataset.
    (same,) = [clip for clip in make_kinematic(6, seed=0).clips if clip.id == people.clips[13].id]
    np.testing.assert_array_equal(same.joints, people.clips[13].joints)


@pytest.mark.parametrize(("bodies", "joints"), [(2, "penn-13"), (1, "coco-17")])
def test_reference_clips_that_the_generator_cannot_make_are_evenly_spread_test_clips(bodies: int, joints: str) -> None:
    made = Checkpoint({"bodies": bodies, "layout": joints, "pairs": {}}, {}, {}, {}, {}, {}, [])
    clips = np.arange(46, dtype=np.float32)
    assert reference_clips(made, clips, 256).tolist() == list(range(0, 46, 3)), "16"
    assert reference_clips(made, clips[:5], 256).tolist() == [0, 1, 2, 3, 4]


def test_float16_moves_coordinates_by_at_most_one_part_in_2048(exported: Path) -> None:
    made = PairDataset(first_test_clips(16, seed=0), PAIRS, train=False, seed=0)
    clips = made.batch(np.arange(16))[0]
    with np.load(exported / "bundle" / "reference.npz") as stored:
        np.testing.assert_allclose(stored["clips"].astype(np.float32), clips, rtol=2**-11, atol=2**-11)


def test_the_manifest_has_the_accuracy_of_the_exported_file(exported: Path) -> None:
    bundle = read_bundle(exported / "bundle")
    with np.load(exported / "work" / "test.npz") as test:
        logits = open_engine(bundle.file("student.onnx")).run({"clip": test["clips"]})["logits"]
        share = float((logits.argmax(1) == test["labels"]).mean())
    assert bundle.manifest.accuracy["fp32"]["top1"] == pytest.approx(share, abs=1e-4)


def test_calibration_npz_has_training_clips_and_test_npz_test_clips(exported: Path) -> None:
    data = make_kinematic(6, seed=0)
    test = PairDataset(data, PAIRS, train=False, seed=0)
    with np.load(exported / "work" / "test.npz") as arrays:
        np.testing.assert_array_equal(arrays["labels"], test.labels)
        np.testing.assert_array_equal(arrays["clips"][3], test.draw(3)[0])
    train = PairDataset(data, PAIRS, train=True, seed=0)
    with np.load(exported / "work" / "calibration.npz") as arrays:
        ids = arrays["ids"].tolist()
        assert sorted(ids) == list(range(len(train))) != ids, "all of them, shuffled"
        np.testing.assert_array_equal(arrays["labels"], train.labels[ids])
        np.testing.assert_array_equal(arrays["clips"][5], train.draw(ids[5])[0])


def test_a_missing_run_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"checkpoint\.pt is missing"):
        export(ExportConfig(run=tmp_path / "no", bundle=tmp_path / "bundle", workdir=tmp_path, reference_clips=16))
    assert list(tmp_path.iterdir()) == []
