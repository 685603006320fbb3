"""Build and run engines on a real GPU, with TensorRT and pycuda."""

from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest
import tiny_bundle

from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import EngineError
from edge.contract.manifest import AccuracyBudget
from edge.engines.gpu import Gpu
from edge.engines.registry import open_engine

pytestmark = pytest.mark.gpu


@pytest.fixture
def student(tmp_path: Path) -> Path:
    return networks.student(tmp_path / "student.onnx")


@pytest.mark.parametrize("precision", ["FP32", "FP16", "INT8"])
def test_an_engine_gives_what_onnx_runtime_gives(student: Path, tmp_path: Path, precision: str) -> None:
    from calibrate.quantisation.quantise import Quantiser
    from calibrate.tensorrt.engine_builder import BuildOptions, build_engine

    clips = networks.clips(16)
    source = student
    if precision == "INT8":
        source = tmp_path / "student.int8.onnx"
        Quantiser(student, [clips[i : i + 1] for i in range(16)], "minmax").write(source)
    engine_path = tmp_path / "student.engine"
    manifest = build_engine(source, engine_path, BuildOptions(precision.lower(), max_batch=4))
    assert precision in manifest.precision
    engine, reference = open_engine(engine_path), open_engine(student)
    # Tight enough for FP32 to notice TF32, whose inputs have ten bits of mantissa.
    tolerance = 2e-4 if precision == "FP32" else 0.2
    for count in (4, 1, 3):
        wanted = reference.run({"clip": clips[:count]})["logits"]
        given = engine.run({"clip": clips[:count]})["logits"]
        assert np.abs(given - wanted).max() <= tolerance * np.abs(wanted).max()
    engine.close()


def test_the_best_engine_of_a_bundle_is_chosen_and_runs(tmp_path: Path) -> None:
    from calibrate.quantisation.quantise import Quantiser
    from calibrate.tensorrt.best_engine import engine
    from calibrate.tensorrt.configuration import EngineConfig

    bundle = tiny_bundle.make(tmp_path / "bundle")
    clips = read_bundle(bundle).reference()["clips"]
    Quantiser(bundle / "student.onnx", [clips[i : i + 1] for i in range(16)], "minmax").write(
        bundle / "student.int8.onnx"
    )
    write_manifest(bundle, replace(read_bundle(bundle).manifest, budget=AccuracyBudget(100, 50)))
    engine(EngineConfig(bundle=bundle, max_batch=2))
    opened = open_engine(bundle / "student.engine")
    wanted = read_bundle(bundle).reference()["logits"]
    given = np.concatenate([opened.run({"clip": clips[i : i + 2]})["logits"] for i in range(0, 16, 2)])
    assert (given.argmax(1) == wanted.argmax(1)).mean() >= 0.5
    opened.close()


def test_a_pose_networks_bytes_and_peaks_go_through_an_engine(tmp_path: Path) -> None:
    from calibrate.tensorrt.engine_builder import BuildOptions, build_engine

    export = pytest.importorskip("train.export.pose", reason="pip install 'skd-edge[train]'")
    export.export_pose(export.PoseExportConfig(tmp_path / "pose.onnx", size=64))
    build_engine(tmp_path / "pose.onnx", tmp_path / "pose.engine", BuildOptions("fp32"))
    engine, reference = open_engine(tmp_path / "pose.engine"), open_engine(tmp_path / "pose.onnx")
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    given, wanted = engine.run({"image": image}), reference.run({"image": image})
    for name in ("cmap", "paf"):
        assert np.abs(given[name] - wanted[name]).max() <= 0.02 * np.abs(wanted[name]).max()
    np.testing.assert_array_equal(given["peaks"][given["peaks"] != 0], given["cmap"][given["peaks"] != 0])
    engine.close()


def test_alike_int8_convolutions_that_read_one_tensor_are_built(tmp_path: Path) -> None:
    """TensorRT merges them; 8.5 and 8.6 cannot if their weights are stored in INT8."""
    from calibrate.quantisation.quantise import Quantiser
    from calibrate.tensorrt.engine_builder import BuildOptions, build_engine

    images = [np.random.default_rng(i).standard_normal((1, 3, 16, 16)).astype(np.float32) for i in range(8)]
    path = networks.branches(tmp_path / "pose.onnx")
    Quantiser(path, images, "minmax").write(tmp_path / "pose.int8.onnx")
    build_engine(tmp_path / "pose.int8.onnx", tmp_path / "pose.engine", BuildOptions("int8"))
    engine, wanted = open_engine(tmp_path / "pose.engine"), open_engine(path).run({"image": images[0]})["map"]
    assert np.abs(engine.run({"image": images[0]})["map"] - wanted).max() <= 0.1 * np.abs(wanted).max()
    engine.close()


def test_a_build_adds_to_the_timing_cache_of_an_earlier_one(student: Path, tmp_path: Path) -> None:
    from calibrate.tensorrt.engine_builder import BuildOptions, build_engine

    timing, options = tmp_path / "student.timing", BuildOptions("fp16", max_batch=1)
    build_engine(student, tmp_path / "student.engine", options)
    kept = timing.stat().st_size
    # A smaller network, whose own cache would be shorter. A second build of the same network may time more kernels too.
    node = networks.helper.make_node("Conv", ["clip", "weight"], ["logits"], name="only")
    weights, shapes = {"weight": np.ones((8, 3, 3, 3), np.float32)}, (("clip", [1, 3, 8, 8]), ("logits", [1, 8, 6, 6]))
    one = networks.save(tmp_path / "one.onnx", [node], weights, shapes)
    build_engine(one, tmp_path / "student.engine", options)
    assert timing.stat().st_size > kept > 0


def test_a_damaged_engine_is_refused(student: Path, tmp_path: Path) -> None:
    from calibrate.tensorrt.engine_builder import BuildOptions, build_engine

    engine = tmp_path / "student.engine"
    build_engine(student, engine, BuildOptions("fp32", max_batch=1))
    engine.write_bytes(engine.read_bytes()[:-100])
    with pytest.raises(EngineError, match="checksum differs from its manifest"):
        open_engine(engine)


def test_a_dla_engine_falls_back_to_the_gpu(student: Path, tmp_path: Path) -> None:
    import tensorrt as trt

    from calibrate.tensorrt.builder import Builder
    from calibrate.tensorrt.engine_builder import BuildOptions, build_engine

    gpu = Gpu()
    cores = Builder(trt, gpu.current).builder.num_DLA_cores
    options = BuildOptions("fp16", max_batch=2, dla_core=0)
    if not cores:
        with pytest.raises(EngineError, match="there is no DLA core"):
            build_engine(student, tmp_path / "student.engine", options)
        return
    build_engine(student, tmp_path / "student.engine", options)
    engine, reference, clips = open_engine(tmp_path / "student.engine"), open_engine(student), networks.clips(2)
    wanted = reference.run({"clip": clips})["logits"]
    assert np.abs(engine.run({"clip": clips})["logits"] - wanted).max() <= 0.2 * np.abs(wanted).max()
    engine.close()


def test_a_parser_error_names_node_and_operator(tmp_path: Path) -> None:
    from calibrate.tensorrt.engine_builder import BuildOptions, build_engine

    node = networks.helper.make_node("Det", ["clip"], ["logits"], name="odd")
    path = networks.save(tmp_path / "odd.onnx", [node], {}, (("clip", [3, 3]), ("logits", [])))
    with pytest.raises(EngineError, match=r"refuses odd \(Det\)"):
        build_engine(path, tmp_path / "odd.engine", BuildOptions("fp32"))
