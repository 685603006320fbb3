"""The bundle: one folder that carries a trained recogniser from workstation to device.

``bundle.yaml`` is the manifest; every other file is listed there with its size and sha256,
and none is used before it has been checked. Engines are never part of a bundle: they are
built on the device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from edge.contract import preprocess
from edge.contract.errors import BundleError, ConfigError
from edge.contract.files import replacing
from edge.contract.layouts import LAYOUTS, JointLayout, layout
from edge.contract.preprocess import Preprocessing

FORMAT_VERSION = 1
MANIFEST = "bundle.yaml"
STUDENT_FP32 = "student.onnx"
STUDENT_INT8 = "student.int8.onnx"
STUDENT_ENGINE = "student.engine"
POSE_INT8 = "pose.int8.onnx"
CALIBRATION = "calibration.json"
REFERENCE = "reference.npz"
DECISIONS = "decisions.json"
STREAM_REFERENCE = "stream.reference.npz"


@dataclass(frozen=True)
class FileEntry:
    """Size and checksum of one file of the bundle."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class AccuracyBudget:
    """What a quantised student or an engine may lose against the FP32 ONNX.

    max_top1_drop: points of top-1. min_agreement: percent of clips on which both must decide alike.
    """

    max_top1_drop: float = 0.5
    min_agreement: float = 99.0


@dataclass(frozen=True)
class StreamForm:
    """The student's other form: it takes frame after frame and keeps what it needs of the past, see edge/streaming.

    preprocessing: how its frames are made; with the manifest's length and rate, and normalised by the past alone.
    training, accuracy: as the manifest's, of this form; accuracy on the same test clips.
    frames_per_clip: precision -> so many new frames cost this form as much as one clip costs the student, both made
        of keypoints, measured where the form was made. By it the loop chooses.
    """

    preprocessing: Preprocessing
    training: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    frames_per_clip: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """What ``bundle.yaml`` says. Every field is a key of that file.

    input_shape: (1, C, T, V, M) of the student; its batch axis may be dynamic.
    accuracy: name of a measurement -> its value, for instance
        ``{"fp32": {"top1": 0.91}, "int8": {"top1": 0.90}}``.
    training: data, split and seeds the student was trained with, for people to read.
    budget: what INT8, engines and the form that streams are held to.
    stream: the form that streams, where the bundle has one.
    """

    name: str
    classes: tuple[str, ...]
    layout: str
    preprocessing: Preprocessing
    input_name: str
    output_name: str
    input_shape: tuple[int, int, int, int, int]
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    budget: AccuracyBudget = AccuracyBudget()
    stream: StreamForm | None = None
    format_version: int = FORMAT_VERSION
    preprocessing_version: int = preprocess.VERSION


@dataclass(frozen=True)
class Bundle:
    """A folder whose manifest has been read and found consistent."""

    folder: Path
    manifest: Manifest

    @property
    def layout(self) -> JointLayout:
        return layout(self.manifest.layout)

    def file(self, name: str) -> Path:
        """Path of a file of the bundle, after its size and checksum were found right."""
        path, entry = self.folder / name, self.manifest.files.get(name)
        if entry is None:
            raise BundleError(
                f"the bundle holds no {name}", where=self.folder, hint=f"it holds {', '.join(self.manifest.files)}"
            )
        if not path.is_file():
            raise BundleError("the file is missing", where=path, hint="copy the whole bundle folder again")
        if path.stat().st_size != entry.bytes or sha256_of(path) != entry.sha256:
            raise BundleError(
                f"the file is not the one {MANIFEST} lists (size or sha256 differs)",
                where=path,
                hint="copy the bundle again, or rebuild it with `python -m train export`",
            )
        return path

    def reference(self, name: str = REFERENCE) -> dict[str, np.ndarray]:
        """The self-test arrays: ``clips`` (N, C, T, V, M) and ``logits`` (N, K) of the FP32 network."""
        with np.load(self.file(name)) as arrays:
            return {name: arrays[name] for name in arrays.files}


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(stream)


def _digest(stream: Any) -> str:
    # hashlib.file_digest came with Python 3.11.
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
    if not path.is_file():
        raise BundleError(
            f"no bundle here: {MANIFEST} is missing",
            where=folder,
            hint="give the folder that `python -m train export` wrote",
        )
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError(f"not readable as YAML: {error}", where=path, hint="copy the bundle again") from error
    manifest = _manifest(raw, path)
    _check(manifest, path)
    return Bundle(folder, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """List ``files`` of the folder anew with their checksums and write ``bundle.yaml`` whole."""
    entries = {
        path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MANIFEST and path.suffix in {".onnx", ".npz", ".json"}
    }
    raw = asdict(manifest) | {"files": entries}
    raw["classes"], raw["input_shape"] = list(manifest.classes), list(manifest.input_shape)
    with replacing(folder / MANIFEST) as partial:
        partial.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")


def _manifest(raw: Any, path: Path) -> Manifest:
    if not isinstance(raw, dict):
        raise BundleError("the manifest must be a YAML mapping", where=path, hint="copy the bundle again")
    raw = {"stream": None, **raw}  # bundles from before there was one
    _same_keys(raw, Manifest, path)
    if raw["format_version"] != FORMAT_VERSION:
        raise BundleError(
            f"format version {raw['format_version']} is not {FORMAT_VERSION}, the one this release reads",
            where=path,
            hint="export the bundle again with this release, or install the release that made it",
        )
    for key, kind in (("name", str), ("classes", list), ("layout", str), ("input_name", str), ("output_name", str)):
        if not isinstance(raw[key], kind):
            raise BundleError(f"{key} must be a {kind.__name__}, not {raw[key]!r}", where=path, hint="export it again")
    try:
        how = _preprocessing(raw["preprocessing"], path)
        _same_keys(raw["budget"], AccuracyBudget, path)
        return Manifest(
            **{
                **raw,
                "classes": tuple(str(c) for c in raw["classes"]),
                "preprocessing": how,
                "input_shape": tuple(int(n) for n in raw["input_shape"]),
                "budget": AccuracyBudget(**raw["budget"]),
                "stream": None if raw["stream"] is None else _stream_form(raw["stream"], path),
                "files": {name: FileEntry(**entry) for name, entry in raw["files"].items()},
            }
        )
    except (TypeError, ValueError, AttributeError, ConfigError) as error:
        raise BundleError(
            f"the manifest has a value of the wrong kind: {error}", where=path, hint="export it again"
        ) from error


def _stream_form(raw: Mapping[str, Any], path: Path) -> StreamForm:
    _same_keys(raw, StreamForm, path)
    costs = {str(precision): float(frames) for precision, frames in raw["frames_per_clip"].items()}
    return StreamForm(**{**raw, "preprocessing": _preprocessing(raw["preprocessing"], path), "frames_per_clip": costs})


def _preprocessing(raw: Mapping[str, Any], path: Path) -> Preprocessing:
    raw = {"between": "line", **raw}  # bundles from before there were curves
    _same_keys(raw, Preprocessing, path)
    return Preprocessing(**raw)


def _same_keys(raw: Mapping[str, Any], kind: type, path: Path) -> None:
    expected, given = {f.name for f in fields(kind)}, set(raw)
    if missing := sorted(expected - given):
        raise BundleError(f"key {missing[0]!r} is missing", where=path, hint="export the bundle again")
    if unknown := sorted(given - expected):
        raise BundleError(f"unknown key {unknown[0]!r}", where=path, hint="remove it, or export the bundle again")


def _check(manifest: Manifest, path: Path) -> None:
    if manifest.preprocessing_version != preprocess.VERSION:
        raise BundleError(
            f"made with preprocessing version {manifest.preprocessing_version}, this release has {preprocess.VERSION}",
            where=path,
            hint="export the bundle again with this release",
        )
    if manifest.layout not in LAYOUTS:
        raise BundleError(
            f"unknown joint layout {manifest.layout!r}", where=path, hint=f"known layouts: {', '.join(LAYOUTS)}"
        )
    shape = manifest.input_shape
    frames, joints = manifest.preprocessing.length_frames, len(LAYOUTS[manifest.layout])
    if len(shape) != 5 or shape[1:4] != (len(preprocess.CHANNELS), frames, joints):
        raise BundleError(
            f"input shape {shape} does not fit {len(preprocess.CHANNELS)} channels, {frames} frames "
            f"and the {joints} joints of {manifest.layout}",
            where=path,
            hint="export the bundle again",
        )
    stream = manifest.stream
    if stream is not None and stream.preprocessing != replace(
        manifest.preprocessing,
        centre="trailing",
        between="line",
        impute_window_frames=stream.preprocessing.impute_window_frames,
    ):
        raise BundleError(
            "the form that streams has clips of another length or rate than the student, or looks ahead",
            where=path,
            hint="train and export it again",
        )
    if len(set(manifest.classes)) != len(manifest.classes) or not manifest.classes:
        raise BundleError("class names are empty or repeated", where=path, hint="export the bundle again")
