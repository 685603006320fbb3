"""The manifest of a bundle, ``bundle.yaml``, parsed and validated.

Every key is a field of a dataclass here. A key that is missing, unknown, of the wrong type or inconsistent raises
BundleError with the file's path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from edge.contract import preprocess
from edge.contract.errors import BundleError, ConfigError
from edge.contract.layouts import LAYOUTS
from edge.contract.preprocess import Preprocessing

FORMAT_VERSION = 1
_KINDS = {
    **dict.fromkeys(("name", "layout", "input_name", "output_name"), str),
    **dict.fromkeys(("classes", "input_shape"), list),
    **dict.fromkeys(("preprocessing", "files", "training", "accuracy", "budget"), dict),
}
ROUNDING = 1e-9
"""Floating-point tolerance in percent: 80 % minus 79.5 % may exceed half a point."""


@dataclass(frozen=True)
class FileEntry:
    """Size and checksum of one file of the bundle."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class AccuracyBudget:
    """How much a quantised student or an engine may lose against the FP32 ONNX.

    max_top1_drop: points of top-1. min_agreement: percent of clips for which both must decide the same.
    """

    max_top1_drop: float = 0.5
    min_agreement: float = 99.0

    def __post_init__(self) -> None:
        if not (0 <= self.max_top1_drop <= 100 and 0 <= self.min_agreement <= 100):
            raise ConfigError(f"invalid budget: {self.max_top1_drop} points, {self.min_agreement} %")

    def violations(self, agreement: float, top1_drop: float | None = None) -> list[str]:
        """One message per exceeded limit. agreement: in percent. top1_drop: in points, None if unknown."""
        found = []
        if agreement < self.min_agreement - ROUNDING:
            found.append(f"agrees on {agreement:.2f} %, {self.min_agreement:g} % are required")
        if top1_drop is not None and top1_drop > self.max_top1_drop + ROUNDING:
            found.append(f"top-1 drops by {top1_drop:.2f} points, {self.max_top1_drop:g} are allowed")
        return found


@dataclass(frozen=True)
class StreamForm:
    """The student's streaming form, which takes frame by frame and keeps a state; see edge/recognition/streaming.

    preprocessing: of its frames; with the manifest's length and rate, and causal normalisation.
    training, accuracy: as in the manifest, for this form; accuracy on the same test clips.
    frames_per_clip: precision -> how many new frames cost this form as much as one clip costs the student,
        preprocessing included, measured where the form was made. The loop chooses the form by it.
    """

    preprocessing: Preprocessing
    training: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    frames_per_clip: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """The content of ``bundle.yaml``. Every field is a key of that file.

    input_shape: (1, C, T, V, M) of the student; its batch axis may be dynamic.
    accuracy: name of a measurement -> its value, for instance ``{"fp32": {"top1": 0.91}, "int8": {"top1": 0.90}}``.
    training: data, split and seeds of the training, for information.
    budget: the limits for INT8, engines and the streaming form.
    stream: the streaming form, if the bundle has one.
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


def accuracy_text(measured: Mapping[str, Any]) -> str:
    """An entry of ``accuracy`` as text: "top1 91.10 %, mean class 87.77 %"."""
    words = {name: f"{100 * it:.2f} %" if isinstance(it, float) else str(it) for name, it in measured.items()}
    return ", ".join(f"{str(name).replace('_', ' ')} {word}" for name, word in words.items())


def parse_manifest(raw: dict[str, Any], path: Path) -> Manifest:
    """Validate what was read as YAML from ``path``.

    Raises BundleError if keys are missing or unknown, for another format or preprocessing version, or if values are
    inconsistent.
    """
    refused = partial(BundleError, where=path, hint="export the bundle again")
    raw = {"stream": None, **raw}  # older bundles lack this key
    _check_keys(raw, Manifest, refused)
    if raw["format_version"] != FORMAT_VERSION:
        raise refused(
            f"format version {raw['format_version']} is not {FORMAT_VERSION}, the one this release reads",
            hint="export the bundle again with this release, or install the release that made it",
        )
    for key, kind in _KINDS.items():
        if not isinstance(raw[key], kind):
            raise refused(f"{key} must be a {kind.__name__}, not {raw[key]!r}")
    if bad := [name for name in raw["classes"] if not isinstance(name, str)]:
        # YAML reads no and on as booleans, and 1 as a number.
        raise refused(f"the class {bad[0]!r} is not text", hint="write it in quotes")
    try:
        preprocessing = _preprocessing(raw["preprocessing"], refused)
        _check_keys(raw["budget"], AccuracyBudget, refused)
        manifest = Manifest(
            **{
                **raw,
                "classes": tuple(raw["classes"]),
                "preprocessing": preprocessing,
                "input_shape": tuple(int(n) for n in raw["input_shape"]),
                "budget": AccuracyBudget(**raw["budget"]),
                "stream": None if raw["stream"] is None else _stream_form(raw["stream"], refused),
                "files": {name: FileEntry(**entry) for name, entry in raw["files"].items()},
            }
        )
    except (TypeError, ValueError, AttributeError, OverflowError, ConfigError) as error:
        raise refused(f"the manifest has a value of the wrong type: {error}") from error
    _check(manifest, refused)
    return manifest


def _stream_form(raw: Mapping[str, Any], refused: partial[BundleError]) -> StreamForm:
    _check_keys(raw, StreamForm, refused)
    costs = {str(precision): float(frames) for precision, frames in raw["frames_per_clip"].items()}
    preprocessing = _preprocessing(raw["preprocessing"], refused)
    return StreamForm(**{**raw, "preprocessing": preprocessing, "frames_per_clip": costs})


def _preprocessing(raw: Mapping[str, Any], refused: partial[BundleError]) -> Preprocessing:
    raw = {"between": "line", **raw}  # older bundles lack this key
    _check_keys(raw, Preprocessing, refused)
    return Preprocessing(**raw)


def _check_keys(raw: Mapping[str, Any], kind: type, refused: partial[BundleError]) -> None:
    expected, given = {f.name for f in fields(kind)}, set(raw)
    if missing := sorted(expected - given):
        raise refused(f"key {missing[0]!r} is missing")
    if unknown := sorted(given - expected):
        raise refused(f"unknown key {unknown[0]!r}", hint="remove it, or export the bundle again")


def _check(manifest: Manifest, refused: partial[BundleError]) -> None:
    if manifest.preprocessing_version != preprocess.VERSION:
        raise refused(
            f"made with preprocessing version {manifest.preprocessing_version}, this release has {preprocess.VERSION}",
            hint="export the bundle again with this release",
        )
    if manifest.layout not in LAYOUTS:
        raise refused(f"unknown joint layout {manifest.layout!r}", hint=f"known layouts: {', '.join(LAYOUTS)}")
    shape = manifest.input_shape
    frames, joints = manifest.preprocessing.length_frames, len(LAYOUTS[manifest.layout])
    if len(shape) != 5 or shape[1:4] != (len(preprocess.CHANNELS), frames, joints):
        raise refused(
            f"input shape {shape} does not fit {len(preprocess.CHANNELS)} channels, {frames} frames "
            f"and the {joints} joints of {manifest.layout}"
        )
    stream = manifest.stream
    if stream is not None and stream.preprocessing != replace(
        manifest.preprocessing,
        centre="trailing",
        between="line",
        impute_window_frames=stream.preprocessing.impute_window_frames,
    ):
        raise refused(
            "the streaming form has clips of another length or rate than the student, or is not causal",
            hint="train and export it again",
        )
    if len(set(manifest.classes)) != len(manifest.classes) or not manifest.classes:
        raise refused("class names are missing or repeated")
    if bad := [name for name in manifest.classes if not name.strip() or not name.isprintable()]:
        raise refused(f"{bad[0]!r} cannot be shown as a class", hint="rename it, and export the bundle again")
