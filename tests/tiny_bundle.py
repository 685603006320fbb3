"""A complete bundle with an untrained student."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import onnxruntime as ort

from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.layouts import layout
from edge.contract.manifest import Manifest, StreamForm
from edge.contract.preprocess import Preprocessing
from edge.recognition.streaming.network import open_stream

CLASSES = ("squat", "wave", "jumping_jacks", "stand")


def add_stream(folder: Path, **about: Any) -> Path:
    """Add a streaming student to such a bundle: stream.4.onnx, its INT8 (the same network), reference and manifest.

    about: fields of the manifest's stream.
    """
    manifest = read_bundle(folder).manifest
    network = networks.stream(folder / "stream.4.onnx", len(layout(manifest.layout)))
    (folder / "stream.4.int8.onnx").write_bytes(network.read_bytes())
    clips = np.random.default_rng(3).standard_normal((16, *manifest.input_shape[1:])).astype(np.float32)
    logits = open_stream(folder, "fp32").logits(clips)
    np.savez(folder / "stream.reference.npz", clips=clips, logits=logits)
    how = replace(manifest.preprocessing, centre="trailing")
    write_manifest(folder, replace(manifest, stream=StreamForm(how, **about)))
    return folder


def make(
    folder: Path, *, joints: str = "penn-13", seed: int = 0, frames: int = 32, classes: tuple[str, ...] = CLASSES
) -> Path:
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
        classes=classes,
        layout=joints,
        preprocessing=Preprocessing(length_frames=frames),
        input_name="clip",
        output_name="logits",
        input_shape=(1, 3, frames, count, 1),
        accuracy={"fp32": {"top1": 0.25}},
    )
    write_manifest(folder, manifest)
    return folder
