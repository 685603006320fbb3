"""The bundle: a folder with a trained recogniser, made on a workstation for the device.

``bundle.yaml`` is the manifest. It lists every other file with its size and sha256, which are checked before a file is
used. Engines are never part of a bundle: they are built on the device.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import yaml

from edge.contract.errors import BundleError
from edge.contract.files import atomic_write, wrap_write_errors
from edge.contract.layouts import JointLayout, layout
from edge.contract.manifest import Manifest, parse_manifest
from edge.contract.reading import read_npz, read_yaml, wrap_read_errors
from edge.contract.types import Float32

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
COPY_AGAIN = "check its permissions, or copy the bundle again"


@dataclass(frozen=True)
class Bundle:
    """A bundle folder and its validated manifest."""

    folder: Path
    manifest: Manifest

    @property
    def layout(self) -> JointLayout:
        """The joint layout that the student reads."""
        return layout(self.manifest.layout)

    def file(self, name: str) -> Path:
        """Path of a file of the bundle, after its size and checksum have been checked."""
        path, entry = self.folder / name, self.manifest.files.get(name)
        if entry is None:
            raise BundleError(
                f"the bundle contains no {name}",
                where=self.folder,
                hint=f"it contains {', '.join(self.manifest.files)}",
            )
        with wrap_read_errors(path, BundleError, COPY_AGAIN):
            if not path.is_file():
                raise BundleError("the file is missing", where=path, hint="copy the whole bundle folder again")
            if path.stat().st_size != entry.bytes or sha256_of(path) != entry.sha256:
                raise BundleError(
                    f"the file is not the one {MANIFEST} lists (size or sha256 differs)",
                    where=path,
                    hint="copy the bundle again, or rebuild it with `python -m train export`",
                )
        return path

    def reference(self, name: str = REFERENCE) -> dict[str, Float32]:
        """The self-test arrays, float32: ``clips`` (N, C, T, V, M) and ``logits`` (N, K) of the FP32 network.

        Raises BundleError if they are damaged, not finite, or do not fit the student.
        """
        path = self.file(name)
        arrays = read_npz(path, BundleError, EXPORT_AGAIN, ("clips", "logits"))
        clips, logits = arrays["clips"], arrays["logits"]
        clip_shape, classes = self.manifest.input_shape[1:], len(self.manifest.classes)
        if not len(np.atleast_1d(clips)) or clips.shape[1:] != clip_shape or logits.shape != (len(clips), classes):
            raise BundleError(
                f"{name} holds clips {clips.shape} and logits {logits.shape}, which do not fit the student",
                where=self.folder,
                hint=EXPORT_AGAIN,
            )
        # Clips are stored in half precision, and the logits were computed from the stored values.
        with np.errstate(over="ignore"):  # overflow to infinity is refused below
            found = {
                name: array.astype(np.float32, copy=False) for name, array in arrays.items() if array.dtype.kind == "f"
            }
        if len(found) < 2 or not all(np.isfinite(array).all() for array in found.values()):
            raise BundleError("clips or logits are not finite numbers", where=path, hint=EXPORT_AGAIN)
        return found


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_bundle(folder: Path) -> Bundle:
    """Open a bundle folder.

    Raises BundleError if the manifest is missing, not YAML, has missing or unknown keys, has another format or
    preprocessing version, or is inconsistent. Files are checked when they are used.
    """
    path = folder / MANIFEST
    with wrap_read_errors(path, BundleError, COPY_AGAIN):
        if not path.is_file():
            raise BundleError(
                f"no bundle here: {MANIFEST} is missing",
                where=folder,
                hint="give bundles/everyday in a clone of skd-edge, or the folder that `python -m train export` wrote",
            )
    return Bundle(folder, parse_manifest(read_yaml(path, BundleError, "copy the bundle again"), path))


def write_manifest(
    folder: Path,
    manifest: Manifest | Callable[[Manifest], Manifest],
    made: Path | None = None,
    former: Collection[str] = frozenset(),
) -> None:
    """Put the files of the folder ``made`` into a bundle and write ``bundle.yaml``, with the checksums of all files.

    manifest: the new one, or a function that makes it from the present one, in which another command may have changed
    other fields since it was read. former: names of files to remove. Everything is written beside its place first, and
    renamed at the end: until then, an interruption leaves the bundle as it was.

    Engines and their ``.engine.json``, which a device built there, and partial files of a killed run are left out: the
    next build changes or removes them, and the bundle would then be reported as damaged.
    """
    new = [] if made is None else [*made.iterdir()]
    replaced = {*former, *(path.name for path in new)}
    with ExitStack() as files:
        # Left in reverse order: the manifest is replaced last, because files that it does not list do no harm.
        listed = files.enter_context(atomic_write(folder / MANIFEST))
        # After the lock: a command that held it may just have replaced the manifest and some of the files.
        if callable(manifest):
            manifest = manifest(read_bundle(folder).manifest)
        kept = [path for path in folder.iterdir() if _belongs(path) and path.name not in replaced]
        entries = {path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size} for path in [*kept, *new]}
        raw = asdict(manifest) | {"files": dict(sorted(entries.items()))}
        raw["classes"], raw["input_shape"] = list(manifest.classes), list(manifest.input_shape)
        listed.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
        for path in new:
            shutil.copyfile(path, files.enter_context(atomic_write(folder / path.name)))
    for name in former:
        with wrap_write_errors(folder / name):
            (folder / name).unlink(missing_ok=True)


def _belongs(path: Path) -> bool:
    """Whether a file is part of the bundle."""
    is_temporary = path.name.endswith(".engine.json") or path.stem.endswith(".partial")
    return path.is_file() and path.suffix in {".onnx", ".npz", ".json"} and not is_temporary
