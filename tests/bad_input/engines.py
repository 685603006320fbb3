"""Engines that are not for this machine, machines that are not for engines, and engines that cannot be built."""

import json
import resource
from dataclasses import replace
from pathlib import Path

import networks
from bad_input.table import Argv, good_bundle, relist, replayed, row, run

from edge.contract.bundle import sha256_of
from edge.engines.engine_manifest import EngineManifest, write_engine_manifest


@row()
def an_engine_without_tensorrt(folder: Path) -> Argv:
    """needs the package tensorrt; install it with"""
    bundle = good_bundle(folder)
    (bundle / "student.int8.engine").write_bytes(b"engine")
    return run(folder, bundle=bundle)


def built(folder: Path, **other: str) -> Argv:
    """edge run beside an engine that was built for an Orin with TensorRT 10.3, unless told otherwise."""
    bundle = good_bundle(folder)
    engine, source = bundle / "student.int8.engine", bundle / "student.int8.onnx"
    engine.write_bytes(b"engine")
    made = EngineManifest(
        "10.3.0", "Orin (16 SMs)", "8.7", source.name, sha256_of(source), sha256_of(engine), "INT8", {}
    )
    write_engine_manifest(engine, replace(made, **other))
    return run(folder, bundle=bundle)


@row(needs="orin")
def an_engine_built_for_another_gpu(folder: Path) -> Argv:
    """built for gpu Xavier, this machine has Orin (16 SMs); build it again: python -m calibrate engine --onnx"""
    return built(folder, gpu="Xavier", compute_capability="7.2")


@row(needs="orin")
def an_engine_built_by_another_tensorrt(folder: Path) -> Argv:
    """built for tensorrt 8.6.2, this machine has 10.3.0; build it again"""
    return built(folder, tensorrt="8.6.2")


@row(needs="orin")
def an_engine_of_which_the_end_is_missing(folder: Path) -> Argv:
    """student.int8.engine: its checksum differs from its manifest; build it again"""
    return built(folder, engine_sha256="0" * 64)


@row(needs="orin")
def an_engine_of_a_student_that_has_changed(folder: Path) -> Argv:
    """student.int8.onnx has changed since it was built; build it again"""
    return built(folder, onnx_sha256="0" * 64)


@row(needs="orin_without_memory")
def an_engine_for_which_memory_is_lacking(folder: Path) -> Argv:
    """Cuda Runtime (out of memory); close other programs, or build the engines with a smaller --max_batch"""
    return built(folder)


@row(needs="orin_with_a_fault")
def an_engine_on_a_gpu_that_fails(folder: Path) -> Argv:
    """student.int8.engine: the GPU failed: TensorRT refuses the engine: Error Code 1: Cuda Runtime (an illegal"""
    return built(folder)


@row(needs="orin")
def an_engine_without_its_record(folder: Path) -> Argv:
    """its manifest student.int8.engine.json is missing; build it again"""
    argv = built(folder)
    (folder / "bundle" / "student.int8.engine.json").unlink()
    return argv


@row(needs="orin_without_pycuda")
def an_engine_without_pycuda(folder: Path) -> Argv:
    """running a TensorRT engine needs the package pycuda; install it with"""
    return built(folder)


@row(needs="orin_without_driver")
def an_engine_without_a_driver(folder: Path) -> Argv:
    """no NVIDIA driver on this machine; engines need an NVIDIA GPU"""
    return built(folder)


@row(needs="orin_that_hides_its_gpu")
def an_engine_where_no_gpu_is_seen(folder: Path) -> Argv:
    """no usable NVIDIA GPU: cuInit failed: no CUDA-capable device is detected; engines need an NVIDIA GPU (in a"""
    return built(folder)


@row(needs="orin_that_refuses_this_user")
def an_engine_for_a_user_outside_the_group_render(folder: Path) -> Argv:
    """no usable NVIDIA GPU: cuInit failed: operation not supported; this user may lack the group render or video"""
    return built(folder)


@row(needs="orin")
def an_engine_whose_record_was_cut(folder: Path) -> Argv:
    """student.int8.engine.json is not a valid manifest: not readable as JSON:"""
    argv = built(folder)
    path = folder / "bundle" / "student.int8.engine.json"
    path.write_text(path.read_text()[:-40])
    return argv


def recorded(folder: Path, **changes: object) -> Argv:
    """edge run beside an engine whose record was altered."""
    argv, path = built(folder), folder / "bundle" / "student.int8.engine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return argv


@row(needs="orin")
def an_engine_whose_record_names_no_network(folder: Path) -> Argv:
    """student.int8.engine.json is not a valid manifest: onnx must be the name of a file; build it again"""
    return recorded(folder, onnx="")


@row(needs="orin")
def an_engine_whose_record_has_a_core_that_is_no_number(folder: Path) -> Argv:
    """student.int8.engine.json is not a valid manifest: options.dla_core must be a whole number; build it again"""
    return recorded(folder, options={"dla_core": "first"})


@row(needs="orin")
def an_engine_whose_comparison_is_a_number(folder: Path) -> Argv:
    """student.int8.engine.json is not a valid manifest: comparison must be a mapping, not 3; build it again"""
    return recorded(folder, comparison=3)


@row(needs="onnxruntime_for_another_numpy")
def a_runtime_that_does_not_load(folder: Path) -> Argv:
    """onnxruntime, which is installed but does not load: numpy.core.multiarray failed to import; install it again"""
    return replayed(folder)


@row(needs="orin_with_cores_that_are_off")
def a_network_while_cores_are_off(folder: Path) -> Argv:
    """ONNX Runtime 1.23.2 aborts while cores of the processor are off; take a power mode with all cores"""
    return replayed(folder)


@row()
def an_engine_to_build_without_tensorrt(folder: Path) -> Argv:
    """building an engine needs the package tensorrt; install it with: apt install"""
    return ["calibrate", "engine", "--onnx", good_bundle(folder) / "student.onnx"]


@row()
def the_best_engine_without_tensorrt(folder: Path) -> Argv:
    """building an engine needs the package tensorrt; install it with: apt install"""
    return ["calibrate", "engine", "--bundle", good_bundle(folder)]


@row(needs="orin_without_gpu")
def an_engine_to_build_without_a_gpu(folder: Path) -> Argv:
    """finds no GPU with an NVIDIA driver that is new enough; build the engine on the device"""
    return ["calibrate", "engine", "--bundle", good_bundle(folder)]


@row(needs="orin_that_refuses_padding")
def a_network_that_tensorrt_rejects(folder: Path) -> Argv:
    """TensorRT 10.3.0 refuses stem (Conv): unsupported padding"""
    return ["calibrate", "engine", "--onnx", networks.student(folder / "student.onnx")]


@row(needs="orin")
def a_disk_that_is_full_when_engines_are_built(folder: Path) -> Argv:
    """cannot be written: File too large"""
    # More profiles make a larger engine: the limit holds for the file that the test keeps messages in, too.
    argv: Argv = ["calibrate", "engine", "--bundle", good_bundle(folder), "--max_batch", "4096"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return argv


@row(needs="orin")
def a_dla_core_that_the_board_lacks(folder: Path) -> Argv:
    """there is no DLA core 0: this board has none; leave dla_core out"""
    return ["calibrate", "engine", "--onnx", networks.student(folder / "student.onnx"), "--dla_core", "0"]


@row(needs="orin")
def an_int8_engine_of_a_bundle_without_int8(folder: Path) -> Argv:
    """the bundle contains no student.int8.onnx"""
    bundle = good_bundle(folder)
    (bundle / "student.int8.onnx").unlink()
    return ["calibrate", "engine", "--bundle", relist(bundle), "--precision", "int8"]


@row(needs="orin")
def an_int8_engine_of_a_network_without_qdq(folder: Path) -> Argv:
    """contains no Q/DQ pairs, so no int8 engine can be built from it"""
    return ["calibrate", "engine", "--onnx", networks.student(folder / "student.onnx"), "--precision", "int8"]


@row()
def neither_a_bundle_nor_a_network(folder: Path) -> Argv:
    """give a bundle or a network; --bundle"""
    return ["calibrate", "engine"]
