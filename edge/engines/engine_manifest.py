"""What an engine was built from and for: the ``.engine.json`` beside every ``.engine``.

TensorRT engines hold for one TensorRT version and one kind of GPU, and nothing in their name says which.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from edge.contract.bundle import sha256_of
from edge.contract.errors import EngineError
from edge.contract.files import write_json


@dataclass(frozen=True)
class EngineManifest:
    """One engine's origin.

    onnx: name of the ONNX file it was built from, in the same folder.
    precision: what the kernels may use, for instance "INT8+FP16".
    options: the builder's options by the names of their flags, to build it again in the same way.
    """

    tensorrt: str
    gpu: str
    compute_capability: str
    onnx: str
    onnx_sha256: str
    engine_sha256: str
    precision: str
    options: Mapping[str, Any]


def manifest_path(engine: Path) -> Path:
    """student.engine -> student.engine.json."""
    return engine.with_name(engine.name + ".json")


def write_engine_manifest(engine: Path, manifest: EngineManifest) -> None:
    """Write the manifest of ``engine`` beside it."""
    write_json(manifest_path(engine), asdict(manifest))


def checked_manifest(engine: Path, *, tensorrt: str, gpu: str, compute_capability: str) -> EngineManifest:
    """The manifest of an engine that may be loaded here.

    Raises EngineError, with the command that builds the engine again, where the manifest is absent or
    damaged, where TensorRT or GPU are others, where the engine's bytes are others, or where the ONNX
    file in the same folder has changed since.
    """
    path = manifest_path(engine)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        manifest = EngineManifest(**raw)
    except FileNotFoundError as error:
        raise _refused(engine, f"nothing says what it was built for: {path.name} is missing") from error
    except (OSError, ValueError, TypeError) as error:
        raise _refused(engine, f"{path.name} cannot be read as its manifest") from error
    here = {"tensorrt": tensorrt, "gpu": gpu, "compute_capability": compute_capability}
    for key, have in here.items():
        if (want := getattr(manifest, key)) != have:
            raise _refused(engine, f"built for {key.replace('_', ' ')} {want}, this machine has {have}", manifest)
    if sha256_of(engine) != manifest.engine_sha256:
        raise _refused(engine, "its bytes are not those that were built", manifest)
    source = engine.with_name(manifest.onnx)
    if source.is_file() and sha256_of(source) != manifest.onnx_sha256:
        raise _refused(engine, f"{manifest.onnx} has changed since it was built", manifest)
    return manifest


def _refused(engine: Path, what: str, manifest: EngineManifest | None = None) -> EngineError:
    source = engine.with_suffix(".onnx") if manifest is None else engine.with_name(manifest.onnx)
    given = {} if manifest is None else manifest.options
    flags = "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
    command = f"python -m calibrate engine --onnx {quote(str(source))} --out {quote(str(engine))}{flags}"
    return EngineError(what, where=engine, hint=f"build it again: {command}")
