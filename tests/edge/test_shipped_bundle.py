"""The bundle that comes with the repository: whole, and in INT8 as good as in FP32."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from calibrate.tensorrt.rules import violations
from edge.contract.bundle import STUDENT_FP32, STUDENT_INT8, read_bundle
from edge.recognition.recogniser import RecogniserConfig, open_recogniser
from train.data.pairs import pair_config
from train.export.bundle import generated_clips

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "bundles" / "everyday"


def test_every_file_is_the_one_that_the_manifest_lists() -> None:
    bundle = read_bundle(BUNDLE)
    assert {STUDENT_FP32, STUDENT_INT8, "reference.npz", "calibration.json"} <= set(bundle.manifest.files)
    for name in bundle.manifest.files:
        assert bundle.file(name).is_file()


@pytest.mark.parametrize(("precision", "error"), [("fp32", 1e-4), ("int8", 0.15)])
def test_it_answers_here_as_where_it_was_made(precision: str, error: float) -> None:
    bundle = read_bundle(BUNDLE)
    recogniser = open_recogniser(bundle, RecogniserConfig(precision=precision, threads=1))
    result = recogniser.self_test(bundle)
    recogniser.close()
    assert result.clips == 16
    assert result.agreement >= 0.9
    assert result.error < error


def test_no_recording_of_others_travels_with_it() -> None:
    # The reference clips are generated anew and compared: Penn Action and UTD-MHAD are not ours to pass on.
    raw = yaml.safe_load((ROOT / "configs" / "everyday" / "student.yaml").read_text())["data"]["pairs"]
    stored = read_bundle(BUNDLE).reference()["clips"]
    clips = generated_clips(pair_config(raw | {"layout": "penn-13"}), len(stored))
    # Another processor may round a value that lies between two of half precision the other way.
    np.testing.assert_allclose(stored, clips.astype(np.float32), rtol=2e-3, atol=2e-3)


def test_its_reference_clips_are_many_and_small() -> None:
    entry = read_bundle(BUNDLE).manifest.files["reference.npz"]
    assert entry.bytes < 600_000
    logits = read_bundle(BUNDLE).reference()["logits"]
    assert len(logits) == 256 and len(set(logits.argmax(1))) > 10


def test_int8_costs_less_than_a_point() -> None:
    accuracy = read_bundle(BUNDLE).manifest.accuracy
    assert accuracy["fp32"]["top1"] - accuracy["int8"]["top1"] < 0.01


def test_tensorrt_takes_the_int8_student() -> None:
    onnx = pytest.importorskip("onnx")
    assert violations(onnx.load(BUNDLE / STUDENT_INT8)) == []
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    from calibrate.tensorrt.parser_gate import gate

    assert not gate(BUNDLE / STUDENT_INT8).errors
