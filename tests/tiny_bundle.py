"""A bundle with an untrained student: everything a trained one has, but for good decisions."""

from pathlib import Path

import networks
import numpy as np
import onnxruntime as ort

from edge.contract.bundle import Manifest, write_manifest
from edge.contract.layouts import layout
from edge.contract.preprocess import Preprocessing

CLASSES = ("squat", "wave", "jumping_jacks", "stand")


def make(folder: Path, *, joints: str = "penn-13", seed: int = 0, frames: int = 32) -> Path:
    """Write student.onnx, student.int8.onnx (the same network), reference.npz and bundle.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    count = len(layout(joints))
    student = networks.student(folder / "student.onnx", seed, frames, count)
    (folder / "student.int8.onnx").write_bytes(student.read_bytes())
    clips = np.random.default_rng(seed).standard_normal((16, 3, frames, count, 1)).astype(np.float32)
    clips += 2 * np.random.default_rng(seed + 1).standard_normal((16, 3, 1, 1, 1)).astype(np.float32)
    logits = ort.InferenceSession(str(student)).run(None, {"clip": clips})[0]
    np.savez(folder / "reference.npz", clips=clips, logits=logits)
    manifest = Manifest(
        name="tiny",
        classes=CLASSES,
        layout=joints,
        preprocessing=Preprocessing(length_frames=frames),
        input_name="clip",
        output_name="logits",
        input_shape=(1, 3, frames, count, 1),
        accuracy={"fp32": {"top1": 0.25}},
    )
    write_manifest(folder, manifest)
    return folder
