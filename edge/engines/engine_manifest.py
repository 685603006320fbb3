"""What an engine was built from and for: the ``.engine.json`` beside every ``.engine``.

TensorRT engines hold for one TensorRT version and one kind of GPU, and nothing in their name says which.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from shlex import quote
from typing import Any

from edge.contract.bundle import sha256_of
from edge.contract.errors import EngineError
from edge.contract.files import write_json
from edge.contract.reading import read_json


@dataclass(frozen=True)
class EngineManifest:
    """One engine's origin.

    onnx: the ONNX file it was built from, as seen from the engine's folder; see :func:`seen_from`.
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


def seen_from(folder: Path, source: Path) -> str:
    """The name of a file in that folder, the way to it from there where it is elsewhere."""
    here, there = folder.resolve(), source.parent.resolve()
    return source.name if here == there else os.path.relpath(there / source.name, here)


def write_engine_manifest(engine: Path, manifest: EngineManifest) -> None:
    """Write the manifest of ``engine`` beside it."""
    write_json(manifest_path(engine), asdict(manifest))


def read_engine_manifest(engine: Path, *, tensorrt: str, gpu: str, compute_capability: str) -> EngineManifest:
    """The manifest of an engine that may be loaded here.

    Raises EngineError, with the command that builds the engine again, where the manifest is absent or
    damaged, where TensorRT or GPU are others, where the engine's bytes are others, or where the ONNX
    file has changed since. One that is not there any more, as on a board that was given the engine alone, is no fault.
    """
    path = manifest_path(engine)
    if not path.exists():
        raise _refused(engine, f"nothing says what it was built for: {path.name} is missing")
    try:
        manifest = EngineManifest(**read_json(path, EngineError, ""))
        if not all(isinstance(getattr(manifest, f.name), str) for f in fields(manifest) if f.name != "options"):
            raise TypeError("its values are texts")
        if not (isinstance(manifest.options, dict) and Path(manifest.onnx).name and "\0" not in manifest.onnx):
            raise TypeError("options have names, and so has the network")
        if not isinstance(manifest.options.get("dla_core"), int | None):
            raise TypeError("a DLA core is a number")
    except (EngineError, TypeError, ValueError) as error:
        raise _refused(engine, f"{path.name} cannot be read as its manifest") from error
    here = {"tensorrt": tensorrt, "gpu": gpu, "compute_capability": compute_capability}
    for key, have in here.items():
        if (want := getattr(manifest, key)) != have:
            raise _refused(engine, f"built for {key.replace('_', ' ')} {want}, this machine has {have}", manifest)
    if sha256_of(engine) != manifest.engine_sha256:
        raise _refused(engine, "its bytes are not those that were built", manifest)
    source = _source(engine, manifest)
    if source.is_file() and sha256_of(source) != manifest.onnx_sha256:
        raise _refused(engine, f"{source.name} has changed since it was built", manifest)
    return manifest


def _source(engine: Path, manifest: EngineManifest) -> Path:
    beside = engine.with_name(Path(manifest.onnx).name)
    return beside if beside.name == manifest.onnx else (engine.parent.resolve() / manifest.onnx).resolve()


def _refused(engine: Path, what: str, manifest: EngineManifest | None = None) -> EngineError:
    source = engine.with_suffix(".onnx") if manifest is None else _source(engine, manifest)
    given = {} if manifest is None else manifest.options
    flags = "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
    command = f"python -m calibrate engine --onnx {quote(str(source))} --out {quote(str(engine))}{flags}"
    return EngineError(what, where=engine, hint=f"build it again: {command}")
