"""The ``.engine.json`` beside every ``.engine``: what the engine was built from and for.

A TensorRT engine runs only with the TensorRT version and the GPU model that built it, and its name tells neither.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from edge.contract.bundle import sha256_of
from edge.contract.errors import EngineError
from edge.contract.fields import read_fields
from edge.contract.files import write_json
from edge.contract.reading import read_json


@dataclass(frozen=True)
class EngineManifest:
    """What an engine was built from and for.

    onnx: path of its ONNX file, relative to the engine's folder; see :func:`relative_source`.
    precision: precisions that kernels may use, for instance "INT8+FP16".
    options: the build options by the names of their flags, to repeat the build.
    comparison: what was measured of each precision when this engine was chosen, see
        :func:`calibrate.tensorrt.engine_choice.comparison`; empty for an engine that was built alone.
    """

    tensorrt: str
    gpu: str
    compute_capability: str
    onnx: str
    onnx_sha256: str
    engine_sha256: str
    precision: str
    options: Mapping[str, Any]
    comparison: Mapping[str, Any] = field(default_factory=dict)


def manifest_path(engine: Path) -> Path:
    """student.engine -> student.engine.json."""
    return engine.with_name(engine.name + ".json")


def relative_source(folder: Path, source: Path) -> str:
    """The path of ``source`` relative to ``folder``. Links to folders are resolved, a link to the file is not."""
    return os.path.relpath(source.parent.resolve() / source.name, folder.resolve())


def write_engine_manifest(engine: Path, manifest: EngineManifest) -> None:
    write_json(manifest_path(engine), asdict(manifest))


def read_engine_manifest(engine: Path, tensorrt: str, gpu: str, compute_capability: str) -> EngineManifest:
    """The manifest of an engine, after checking that the engine may be loaded on this machine.

    Raises EngineError, with the command that rebuilds the engine, if the manifest is missing or damaged, TensorRT or
    the GPU differ, the engine's checksum differs, or the ONNX file has changed since. A missing ONNX file is allowed: a
    board may have received only the engine.
    """
    path = manifest_path(engine)
    if not path.exists():
        raise _refused(engine, f"its manifest {path.name} is missing")
    try:
        # Engines that were built alone by older versions lack a comparison.
        manifest = read_fields(EngineManifest, {"comparison": {}, **read_json(path, EngineError, "")}, EngineError)
        if not Path(manifest.onnx).name or "\0" in manifest.onnx:
            raise EngineError("onnx must be the name of a file")
        if not isinstance(manifest.options.get("dla_core"), int | None):
            raise EngineError("options.dla_core must be a whole number")
    except EngineError as error:
        raise _refused(engine, f"{path.name} is not a valid manifest: {error.what}") from error
    machine = {"tensorrt": tensorrt, "gpu": gpu, "compute_capability": compute_capability}
    for key, have in machine.items():
        if (want := getattr(manifest, key)) != have:
            raise _refused(engine, f"built for {key.replace('_', ' ')} {want}, this machine has {have}", manifest)
    if sha256_of(engine) != manifest.engine_sha256:
        raise _refused(engine, "its checksum differs from its manifest", manifest)
    source = _source(engine, manifest)
    if source.is_file() and sha256_of(source) != manifest.onnx_sha256:
        raise _refused(engine, f"{source.name} has changed since it was built", manifest)
    return manifest


def _source(engine: Path, manifest: EngineManifest) -> Path:
    beside = engine.with_name(Path(manifest.onnx).name)
    return beside if beside.name == manifest.onnx else (engine.parent.resolve() / manifest.onnx).resolve()


def _refused(engine: Path, what: str, manifest: EngineManifest | None = None) -> EngineError:
    source = engine.with_suffix(".onnx") if manifest is None else _source(engine, manifest)
    options = {} if manifest is None else manifest.options
    flags = "".join(f" --{name} {value}" for name, value in options.items() if value is not None)
    command = f"python -m calibrate engine --onnx {quote(str(source))} --out {quote(str(engine))}{flags}"
    return EngineError(what, where=engine, hint=f"build it again: {command}")
