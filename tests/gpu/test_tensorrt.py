"""Engines on a real GPU: TensorRT and pycuda as JetPack or a workstation has them."""

from pathlib import Path

import networks
import numpy as np
import pytest

from edge.contract.errors import EngineError
from edge.engines.gpu import Gpu
from edge.engines.registry import open_engine


def missing() -> str:
    """Why no engine can be built here; empty where one can."""
    try:
        import tensorrt  # noqa: F401

        Gpu().close()
    except ImportError as error:
        return f"{error} (TensorRT and pycuda come with JetPack, see docker/)"
    except EngineError as error:
        return str(error)
    return ""


pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(why := missing()), reason=why)]


@pytest.fixture
def student(tmp_path: Path) -> Path:
    return networks.student(tmp_path / "student.onnx")


@pytest.mark.parametrize("precision", ["FP32", "INT8"])
def test_an_engine_gives_what_onnx_runtime_gives(student: Path, tmp_path: Path, precision: str) -> None:
    from calibrate.engine_builder import BuildOptions, build_engine
    from calibrate.quantise import Quantiser

    clips = networks.clips(16)
    source = student
    if precision == "INT8":
        source = tmp_path / "student.int8.onnx"
        Quantiser(student, [clips[i : i + 1] for i in range(16)], "minmax").write(source)
    engine_path = tmp_path / "student.engine"
    manifest = build_engine(source, engine_path, BuildOptions(fp16=False, max_batch=16))
    assert manifest.precision == precision
    engine, reference = open_engine(engine_path), open_engine(student)
    tolerance = 0.02 if precision == "FP32" else 0.2
    for count in (16, 1, 5):
        wanted = reference.run({"clip": clips[:count]})["logits"]
        given = engine.run({"clip": clips[:count]})["logits"]
        assert np.abs(given - wanted).max() <= tolerance * np.abs(wanted).max()
    engine.close()


def test_a_damaged_engine_is_refused(student: Path, tmp_path: Path) -> None:
    from calibrate.engine_builder import BuildOptions, build_engine

    engine = tmp_path / "student.engine"
    build_engine(student, engine, BuildOptions())
    engine.write_bytes(engine.read_bytes()[:-100])
    with pytest.raises(EngineError, match="not those that were built"):
        open_engine(engine)


def test_pixels_stay_in_page_locked_memory_between_runs(student: Path, tmp_path: Path) -> None:
    from calibrate.engine_builder import BuildOptions, build_engine

    build_engine(student, tmp_path / "student.engine", BuildOptions())
    engine = open_engine(tmp_path / "student.engine")
    clips = networks.clips(2)
    first = engine.run({"clip": clips[:1]})["logits"]
    kept = first.copy()
    engine.run({"clip": clips[1:]})
    np.testing.assert_array_equal(first, kept)
    engine.close()
