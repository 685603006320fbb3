"""Build and open engines with a fake driver; tests/gpu uses a real one."""

import dataclasses
import sys
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest

from calibrate.tensorrt.builder import Builder, profile_batches
from calibrate.tensorrt.engine_builder import BuildOptions, build_engine, serialised_engine
from edge.contract.errors import MissingDependency
from edge.engines.registry import open_engine


@pytest.mark.parametrize(
    ("version", "flags", "precision"),
    [
        ("8.5.2", {"INT8", "FP16", "TF32"}, "INT8+FP16"),
        ("8.6.1", {"INT8", "FP16", "TF32"}, "INT8+FP16"),
        ("10.3.0", {"INT8", "FP16", "TF32"}, "INT8+FP16"),
        ("11.4.1", {"TF32"}, "INT8+FP16"),
    ],
)
def test_each_generation_gets_the_flags_it_has(
    board, int8: Path, tmp_path: Path, version: str, flags: set[str], precision: str
) -> None:
    trt = board(version)
    manifest = build_engine(int8, tmp_path / "student.engine", BuildOptions(max_batch=6, workspace_mib=64))
    assert trt.built.flags == flags
    assert trt.built.limit == 64 * 1024 * 1024
    assert trt.built.profiles == [{"clip": [(batch, 3, 4)] * 3} for batch in (1, 2, 4, 6)]
    assert (manifest.tensorrt, manifest.gpu, manifest.compute_capability) == (version, "Orin (16 SMs)", "8.7")
    assert manifest.precision == precision
    # Before 11 TensorRT cannot merge convolutions whose weights are stored in INT8.
    stored = [i for i in onnx.load_from_string(trt.parsed).graph.initializer if i.data_type == onnx.TensorProto.INT8]
    assert any(len(i.dims) > 1 for i in stored) == (version == "11.4.1")


def test_a_network_of_a_fixed_size_has_no_profile(board, tmp_path: Path) -> None:
    trt = board(shape=(1, 3, 4))
    build_engine(networks.student(tmp_path / "s.onnx"), tmp_path / "s.engine", BuildOptions("fp32"))
    assert trt.built.profiles == []


def test_profiles_are_the_powers_of_two_and_the_largest_batch_in_order() -> None:
    assert profile_batches(40) == [1, 2, 4, 8, 16, 32, 40]


@pytest.mark.parametrize("version", ["8.5.2", "8.6.1", "10.3.0", "11.4.1"])
def test_an_operator_that_is_a_plugin_of_tensorrt_is_built_and_opened(board, tmp_path: Path, version: str) -> None:
    """Before they are registered, parser and runtime say "getPluginCreator could not find plugin"."""
    board(version)
    nodes = [
        networks.helper.make_node("InstanceNormalization", ["clip", "three", "three"], ["norm"]),
        networks.helper.make_node("ScatterElements", ["norm", "first", "one"], ["logits"]),
    ]
    one = np.ones((1, 1, 1), np.float32)
    weights = {"three": np.ones(3, np.float32), "first": np.zeros((1, 1, 1), np.int64), "one": one}
    source = networks.save(tmp_path / "n.onnx", nodes, weights, (("clip", [1, 3, 4]), ("logits", [1, 3, 4])))
    build_engine(source, tmp_path / "n.engine", BuildOptions("fp32"))
    board(version)  # another process
    open_engine(tmp_path / "n.engine").close()


@pytest.mark.parametrize("version", ["8.5.2", "8.6.1", "10.3.0", "11.4.1"])
def test_an_fp32_engine_may_not_use_tf32(board, tmp_path: Path, version: str) -> None:
    """TensorRT's own default lets FP32 layers round their inputs to ten bits of mantissa on Ampere and later."""
    trt = board(version)
    manifest = build_engine(networks.student(tmp_path / "s.onnx"), tmp_path / "s.engine", BuildOptions("fp32"))
    assert trt.built.flags == set()
    assert manifest.precision == "FP32"


@pytest.mark.parametrize(("version", "half"), [("10.3.0", False), ("11.4.1", True)])
def test_fp16_is_a_builder_flag_up_to_10_and_in_the_onnx_types_from_11_on(
    board, tmp_path: Path, version: str, half: bool
) -> None:
    trt = board(version)
    source = networks.student(tmp_path / "s.onnx")
    manifest = build_engine(source, tmp_path / "s.engine", BuildOptions("fp16"))
    assert manifest.precision == "FP16"
    assert ("FP16" in trt.built.flags) != half
    kinds = {i.data_type for i in onnx.load_from_string(trt.parsed).graph.initializer if i.dims}
    assert (onnx.TensorProto.FLOAT16 in kinds) == half
    assert (onnx.TensorProto.FLOAT in kinds) != half


@pytest.mark.parametrize(("version", "half"), [("8.5.2", False), ("10.3.0", False), ("11.4.1", True)])
def test_float_layers_of_an_int8_network_are_fp16_in_every_version(
    board, int8: Path, tmp_path: Path, version: str, half: bool
) -> None:
    """By a flag, or from 11 on by the types in the file."""
    trt = board(version)
    assert build_engine(int8, tmp_path / "s.engine", BuildOptions()).precision == "INT8+FP16"
    assert ("FP16" in trt.built.flags) != half
    weights = [i for i in onnx.load_from_string(trt.parsed).graph.initializer if i.dims]
    assert (onnx.TensorProto.FLOAT16 in {i.data_type for i in weights}) == half
    assert onnx.TensorProto.INT8 in {i.data_type for i in weights}


def test_a_dla_build_has_gpu_fallback_and_one_profile(board, tmp_path: Path) -> None:
    trt, source = board(dla_cores=2), networks.student(tmp_path / "s.onnx")
    manifest = build_engine(source, tmp_path / "s.engine", BuildOptions("fp16", dla_core=1, max_batch=2))
    assert (trt.built.device.kind, trt.built.device.core) == (trt.DeviceType.DLA, 1)
    assert "GPU_FALLBACK" in trt.built.flags
    assert trt.built.profiles == [{"clip": [(2, 3, 4)] * 3}]
    assert manifest.precision == "FP16 on DLA 1"


def test_the_timing_cache_is_stored_and_one_that_cannot_be_used_discarded(board, int8: Path, tmp_path: Path) -> None:
    timing = tmp_path / "student.timing"
    board("10.3.0")
    build_engine(int8, tmp_path / "student.engine", BuildOptions())
    assert timing.read_bytes().startswith(b"timings of 10.3.0\n")
    for stored in (b"timings of 10.3.0", b"damaged"):
        timing.write_bytes(stored)
        trt = board("10.7.0")
        build_engine(int8, tmp_path / "student.engine", BuildOptions())
        assert trt.built.known == b""
        assert timing.read_bytes().startswith(b"timings of 10.7.0\n")


def test_without_pycuda_or_tensorrt_the_package_is_named(
    monkeypatch: pytest.MonkeyPatch, board, int8: Path, tmp_path: Path
) -> None:
    engine = tmp_path / "student.engine"
    engine.write_bytes(b"engine")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    for attempt in (lambda: open_engine(engine), lambda: build_engine(int8, engine, BuildOptions())):
        with pytest.raises(MissingDependency, match="tensorrt"):
            attempt()
    board()
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(MissingDependency, match="pycuda"):
        open_engine(engine)


def test_tf32_is_on_by_default_in_the_real_builder_and_an_fp32_engine_turns_it_off() -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    builder = Builder(trt)
    assert builder.config(64, "fp16").get_flag(trt.BuilderFlag.TF32)
    assert not builder.config(64, "fp32").get_flag(trt.BuilderFlag.TF32)


# TensorRT-RTX warns that timing caches have no effect.
@pytest.mark.filterwarnings("ignore:.*Timing cache:DeprecationWarning")
def test_the_real_builder_of_the_newest_generation_takes_the_same_calls(int8: Path, tmp_path: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    options = dataclasses.replace(BuildOptions(), workspace_mib=64)
    engine, precision = serialised_engine(trt, int8, tmp_path / "s.timing", options)
    assert len(engine) > 1000
    assert precision == "INT8+FP16"
    assert (tmp_path / "s.timing").stat().st_size > 0
