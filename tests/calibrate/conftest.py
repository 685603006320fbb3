"""A bundle whose student is right on four of five clips, and an INT8 student."""

from pathlib import Path

import networks
import numpy as np
import onnxruntime as ort
import pytest

from calibrate.quantisation.quantise import Quantiser
from edge.contract.bundle import write_manifest
from edge.contract.manifest import Manifest
from edge.contract.preprocess import Preprocessing


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle as `python -m train export` writes it, with calibration.npz and test.npz beside it."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    session = ort.InferenceSession(str(networks.student(folder / "student.onnx")))
    for name, count, seed in (("calibration", 40, 1), ("test", 120, 2)):
        clips = networks.clips(count, seed)
        labels = session.run(None, {"clip": clips})[0].argmax(1)
        # Every fifth label is wrong.
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


@pytest.fixture
def int8(tmp_path: Path) -> Path:
    out = tmp_path / "student.int8.onnx"
    Quantiser(networks.student(tmp_path / "student.onnx"), networks.samples(4), "minmax").write(out)
    return out
