"""The manifest of a bundle, ``bundle.yaml``, parsed and validated.

Every key is a field of a dataclass here. A key that is missing, unknown, of the wrong type or inconsistent raises
BundleError with the file's path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from edge.contract import preprocess
from edge.contract.errors import BundleError
from edge.contract.fields import read_fields
from edge.contract.intervals import require_in
from edge.contract.layouts import LAYOUTS
from edge.contract.preprocess import Preprocessing

FORMAT_VERSION = 1
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
        require_in(self, max_top1_drop="[0, 100]", min_agreement="[0, 100]")

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
    input_shape: tuple[int, ...]
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

    Raises BundleError if keys are missing or unknown, for another format or preprocessing version, or if values are of
    the wrong type or inconsistent.
    """
    refused = partial(BundleError, where=path, hint="export the bundle again")
    version = raw.get("format_version")
    if isinstance(version, int) and version != FORMAT_VERSION:
        raise refused(
            f"format version {version} is not {FORMAT_VERSION}, the one this release reads",
            hint="export the bundle again with this release, or install the release that made it",
        )
    manifest = read_fields(Manifest, _with_new_keys(raw), refused)
    _check(manifest, refused)
    return manifest


def _with_new_keys(raw: dict[str, Any]) -> dict[str, Any]:
    """Add the keys that older bundles lack."""
    raw = {"stream": None, **raw}
    for form in (raw, raw["stream"]):
        if isinstance(form, dict) and isinstance(form.get("preprocessing"), dict):
            form["preprocessing"] = {"between": "line", **form["preprocessing"]}
    return raw


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
    for accuracy in (manifest.accuracy, {} if stream is None else stream.accuracy):
        if bad := [name for name in ("fp32", "int8") if not isinstance(accuracy.get(name, {}), Mapping)]:
            raise refused(f"the accuracy of {bad[0]} must be a mapping")
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
