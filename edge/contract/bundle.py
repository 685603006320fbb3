"""The bundle: one folder that carries a trained recogniser from workstation to device.

``bundle.yaml`` is the manifest; every other file is listed there with its size and sha256,
and none is used before it has been checked. Engines are never part of a bundle: they are
built on the device.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np
import yaml

from edge.contract.errors import BundleError
from edge.contract.files import write_text
from edge.contract.layouts import JointLayout, layout
from edge.contract.manifest import Manifest, parse_manifest
from edge.contract.reading import read_npz, read_yaml, wrap_read_errors

MANIFEST = "bundle.yaml"
STUDENT_FP32 = "student.onnx"
STUDENT_INT8 = "student.int8.onnx"
STUDENT_ENGINE = "student.engine"
POSE_INT8 = "pose.int8.onnx"
CALIBRATION = "calibration.json"
REFERENCE = "reference.npz"
DECISIONS = "decisions.json"
STREAM_REFERENCE = "stream.reference.npz"

EXPORT_AGAIN = "export the bundle again"
COPY_AGAIN = "check its rights, or copy the bundle again"


@dataclass(frozen=True)
class Bundle:
    """A folder whose manifest has been read and found consistent."""

    folder: Path
    manifest: Manifest

    @property
    def layout(self) -> JointLayout:
        """Of the joints that the student reads."""
        return layout(self.manifest.layout)

    def file(self, name: str) -> Path:
        """Path of a file of the bundle, after its size and checksum were found right."""
        path, entry = self.folder / name, self.manifest.files.get(name)
        if entry is None:
            raise BundleError(
                f"the bundle holds no {name}", where=self.folder, hint=f"it holds {', '.join(self.manifest.files)}"
            )
        with wrap_read_errors(path, BundleError, COPY_AGAIN):
            is_there = path.is_file()
            is_the_one = is_there and path.stat().st_size == entry.bytes and sha256_of(path) == entry.sha256
        if not is_there:
            raise BundleError("the file is missing", where=path, hint="copy the whole bundle folder again")
        if not is_the_one:
            raise BundleError(
                f"the file is not the one {MANIFEST} lists (size or sha256 differs)",
                where=path,
                hint="copy the bundle again, or rebuild it with `python -m train export`",
            )
        return path

    def reference(self, name: str = REFERENCE) -> dict[str, np.ndarray]:
        """The self-test arrays, float32: ``clips`` (N, C, T, V, M) and ``logits`` (N, K) of the FP32 network.

        Raises BundleError where they are damaged, not finite, or do not fit the student.
        """
        path = self.file(name)
        arrays = read_npz(path, BundleError, EXPORT_AGAIN, ("clips", "logits"))
        clips, logits = arrays["clips"], arrays["logits"]
        takes, classes = self.manifest.input_shape[1:], len(self.manifest.classes)
        if not len(np.atleast_1d(clips)) or clips.shape[1:] != takes or logits.shape != (len(clips), classes):
            raise BundleError(
                f"{name} holds clips {clips.shape} and logits {logits.shape}, which do not fit the student",
                where=self.folder,
                hint=EXPORT_AGAIN,
            )
        if not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in (clips, logits)):
            raise BundleError("clips or logits are not finite numbers", where=path, hint=EXPORT_AGAIN)
        # Clips are stored in half precision; logits were made of them as they are stored.
        return {"clips": clips.astype(np.float32, copy=False), "logits": logits.astype(np.float32, copy=False)}


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return sha256_of_stream(stream)


def sha256_of_stream(stream: IO[bytes]) -> str:
    """Hexadecimal sha256 of an open file, from where it is to its end."""
    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def read_bundle(folder: Path) -> Bundle:
    """Open a bundle folder.

    Raises BundleError where the manifest is absent, not YAML, lacks or adds a key, was made for
    another format or preprocessing version, or contradicts itself. Files are checked when used.
    """
    path = folder / MANIFEST
    with wrap_read_errors(path, BundleError, COPY_AGAIN):
        is_there = path.is_file()
    if not is_there:
        raise BundleError(
            f"no bundle here: {MANIFEST} is missing",
            where=folder,
            hint="give the folder that `python -m train export` wrote",
        )
    return Bundle(folder, parse_manifest(read_yaml(path, BundleError, "copy the bundle again"), path))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """List ``files`` of the folder anew with their checksums and write ``bundle.yaml`` whole.

    What a device built there, an engine and its ``.engine.json``, and what a run left that was killed are left out:
    the next build alters or removes them, and the bundle would be taken for a damaged one.
    """
    entries = {
        path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
        if _belongs(path)
    }
    raw = asdict(manifest) | {"files": entries}
    raw["classes"], raw["input_shape"] = list(manifest.classes), list(manifest.input_shape)
    write_text(folder / MANIFEST, yaml.safe_dump(raw, sort_keys=False))


def _belongs(path: Path) -> bool:
    """Whether a file is of a kind that a bundle travels with."""
    is_passing = path.name.endswith(".engine.json") or path.stem.endswith(".partial")
    return path.is_file() and path.suffix in {".onnx", ".npz", ".json"} and not is_passing
