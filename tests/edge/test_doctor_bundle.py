"""What the doctor finds about a bundle's files and engines."""

import pytest

from edge.contract.bundle import read_bundle, sha256_of
from edge.doctor.bundle_files import bundle_files
from edge.engines.engine_manifest import EngineManifest, write_engine_manifest

HERE = ("10.3.0", "Orin", "8.7")


@pytest.fixture
def own_bundle(bundle_folder, tmp_path):
    """A copy that a test may alter."""
    for name in (*read_bundle(bundle_folder).manifest.files, "bundle.yaml"):
        (tmp_path / name).write_bytes((bundle_folder / name).read_bytes())
    return tmp_path


def engine(folder, **other):
    source, path = folder / "student.int8.onnx", folder / "student.int8.engine"
    path.write_bytes(b"kernels")
    manifest = {
        "tensorrt": "10.3.0",
        "gpu": "Orin",
        "compute_capability": "8.7",
        "onnx": source.name,
        "onnx_sha256": sha256_of(source),
        "engine_sha256": sha256_of(path),
        "precision": "INT8+FP16",
        "options": {},
    }
    write_engine_manifest(path, EngineManifest(**{**manifest, **other}))


@pytest.mark.parametrize(
    ("other", "runtime", "status", "words"),
    [
        ({}, HERE, "ok", "INT8+FP16"),
        ({"tensorrt": "8.6.2"}, HERE, "fail", "built for tensorrt 8.6.2"),
        ({"gpu": "Xavier"}, HERE, "fail", "built for gpu Xavier"),
        ({"onnx_sha256": "0"}, HERE, "fail", "has changed since"),
        ({}, None, "warn", "cannot be checked"),
    ],
)
def test_engines_must_match_this_machine(own_bundle, other, runtime, status, words):
    engine(own_bundle, **other)
    found = bundle_files(own_bundle, runtime, on_jetson=True)[-1]
    assert found.check == "student.int8.engine" and found.status == status and words in found.found
    assert status != "fail" or found.fix.startswith("python -m calibrate engine --onnx")


def test_an_altered_file_of_the_bundle_is_named(own_bundle):
    (own_bundle / "student.onnx").write_bytes(b"")
    (found,) = bundle_files(own_bundle, None, on_jetson=False)
    assert found.status == "fail" and "student.onnx" in found.found and "copy the bundle again" in found.fix
