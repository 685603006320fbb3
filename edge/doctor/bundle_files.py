"""Check a bundle's files, and whether its engines were built for this machine."""

from __future__ import annotations

from pathlib import Path

from edge.contract.bundle import POSE_INT8, STUDENT_ENGINE, Bundle, read_bundle
from edge.contract.errors import SkdError
from edge.doctor.finding import Finding, not_applicable
from edge.engines.engine_manifest import read_engine_manifest
from edge.recognition.recogniser import STUDENTS

SHIPPED = Path("bundles/everyday")
"""The project's own bundle, relative to the project's folder."""


Runtime = tuple[str, str, str]
"""What an engine must have been built for to run here: version of TensorRT, name and compute capability of the GPU."""


def bundle_files(folder: Path | None, runtime: Runtime | None, on_jetson: bool) -> list[Finding]:
    """Check every file by its checksum and every engine by its manifest.

    folder: None for the shipped bundle, which may be missing. runtime: None where TensorRT or the GPU is missing.
    """
    if folder is None:
        if not SHIPPED.exists():
            return [not_applicable("bundle", f"no {SHIPPED} in this folder; --bundle FOLDER checks another")]
        folder = SHIPPED
    try:
        bundle = read_bundle(folder)
        for name in bundle.manifest.files:
            bundle.file(name)
    except SkdError as error:
        return [Finding("bundle", "fail", *_found_and_mend(error))]
    clip = f"{len(bundle.manifest.classes)} classes, {len(bundle.manifest.files)} files match their checksums"
    return [Finding("bundle", "ok", f"{folder}: {bundle.manifest.name}, {clip}"), *_engines(bundle, runtime, on_jetson)]


def _engines(bundle: Bundle, runtime: Runtime | None, on_jetson: bool) -> list[Finding]:
    found = [_engine(path, runtime) for path in sorted(bundle.folder.glob("*.engine"))]
    built = {path.stem for path in bundle.folder.glob("*.engine")}
    build = "python -m calibrate engine"
    if on_jetson and not built & {Path(name).stem for name in (STUDENT_ENGINE, *STUDENTS.values())}:
        found.append(Finding("student", "warn", "no engine: it runs on the CPU", f"{build} --bundle {bundle.folder}"))
    if on_jetson and POSE_INT8 in bundle.manifest.files and Path(POSE_INT8).stem not in built:
        fix = f"{build} --onnx {bundle.folder / POSE_INT8}"
        found.append(Finding(POSE_INT8, "warn", "no engine: it runs on the CPU", fix))
    return found


def _engine(path: Path, runtime: Runtime | None) -> Finding:
    if runtime is None:
        return Finding(path.name, "warn", "cannot be checked: TensorRT or the GPU is missing", "see the lines above")
    try:
        manifest = read_engine_manifest(path, *runtime)
    except SkdError as error:
        return Finding(path.name, "fail", *_found_and_mend(error))
    return Finding(path.name, "ok", f"TensorRT {manifest.tensorrt}, {manifest.gpu}, {manifest.precision}")


def _found_and_mend(error: SkdError) -> tuple[str, str | None]:
    hint = error.hint and error.hint.removeprefix("build it again: ")
    return error.what if error.where is None else f"{error.where}: {error.what}", hint
