"""Which engines may be loaded on a machine, and the command that rebuilds the others."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from edge.contract.errors import EngineError
from edge.engines.engine_manifest import EngineManifest, read_engine_manifest, relative_source, write_engine_manifest

HERE = {"tensorrt": "10.3.0", "gpu": "Orin (16 SMs)", "compute_capability": "8.7"}


def built(folder: Path, onnx: str, /, **more) -> Path:
    """An engine of ``folder / onnx``, which exists."""
    engine, sums = folder / "n.engine", []
    engine.write_bytes(b"an engine")
    for path in (folder / onnx, engine):
        sums.append(hashlib.sha256(path.read_bytes()).hexdigest())
    options = {"precision": "int8", "dla_core": None}
    manifest = EngineManifest(
        **HERE, onnx=onnx, onnx_sha256=sums[0], engine_sha256=sums[1], precision="INT8", options=options
    )
    write_engine_manifest(engine, manifest)
    path = folder / "n.engine.json"
    path.write_text(json.dumps({**asdict(manifest), **more}))
    return engine


def test_the_source_is_the_file_named_even_if_another_of_that_name_is_beside_the_engine(tmp_path: Path) -> None:
    for name, content in (("a", b"another"), ("b", b"the source")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "n.onnx").write_bytes(content)
    engine = built(tmp_path / "a", "../b/n.onnx")
    assert read_engine_manifest(engine, **HERE).onnx == "../b/n.onnx"
    (tmp_path / "b" / "n.onnx").write_bytes(b"a newer source")
    with pytest.raises(EngineError, match=r"n\.onnx has changed since it was built"):
        read_engine_manifest(engine, **HERE)
    (tmp_path / "b" / "n.onnx").unlink()
    read_engine_manifest(engine, **HERE)


@pytest.mark.parametrize("key", HERE)
def test_an_engine_of_another_machine_is_refused_with_the_command_of_its_build(tmp_path: Path, key: str) -> None:
    (tmp_path / "n.onnx").touch()
    engine = built(tmp_path, "n.onnx")
    with pytest.raises(EngineError, match=r"built for .*, this machine has another") as refused:
        read_engine_manifest(engine, **{**HERE, key: "another"})
    command = f"python -m calibrate engine --onnx {tmp_path}/n.onnx --out {engine} --precision int8"
    assert refused.value.hint == f"build it again: {command}"


def test_a_changed_engine_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.onnx").touch()
    engine = built(tmp_path, "n.onnx")
    engine.write_bytes(b"another engine")
    with pytest.raises(EngineError, match="its checksum differs from its manifest"):
        read_engine_manifest(engine, **HERE)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"comparison": []}, r"comparison must be a mapping, not \[\];"),
        ({"onnx": "a\0b"}, "onnx must be the name of a file;"),
        ({"options": {"dla_core": "0"}}, "options.dla_core must be a whole number;"),
        ({"gpu": 1}, "gpu must be text, not 1;"),
        ({"more": 1}, "unknown key 'more';"),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, wrong: dict, why: str) -> None:
    (tmp_path / "n.onnx").touch()
    with pytest.raises(EngineError, match=rf"n\.engine\.json is not a valid manifest: {why}"):
        read_engine_manifest(built(tmp_path, "n.onnx", **wrong), **HERE)


def test_links_to_folders_are_resolved_and_a_link_to_the_source_is_not(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "version1.onnx").touch()
    (tmp_path / "real" / "n.onnx").symlink_to("version1.onnx")
    (tmp_path / "linked").symlink_to("real")
    assert relative_source(tmp_path / "real", tmp_path / "linked" / "n.onnx") == "n.onnx"
