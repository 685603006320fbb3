"""ONNX to a TensorRT engine, on the device that will run it, for TensorRT 8.5 to 11."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from calibrate.quantisation.onnx_graph import is_quantised, read_onnx
from calibrate.tensorrt.build_progress import progress
from calibrate.tensorrt.builder import Builder, batches_up_to
from calibrate.tensorrt.half_precision import in_half_precision
from calibrate.tensorrt.parser_errors import next_step
from calibrate.tensorrt.qdq_fusion import fusible
from edge.contract.bundle import sha256_of
from edge.contract.errors import ConfigError, EngineError, MissingDependency
from edge.contract.files import atomic_write
from edge.engines.engine_manifest import EngineManifest, seen_from, write_engine_manifest
from edge.engines.gpu import Gpu

Precision = Literal["int8", "fp16", "fp32"]


@dataclass(frozen=True)
class BuildOptions:
    """What the builder may do. The engine's manifest keeps it, and the command that builds it again repeats it.

    precision: int8 lets what is not INT8 run in half precision.
    max_batch: the most clips in one run, where the network's batch axis is free. Kernels are chosen for 1, 2, 4 and
        so on up to it, each of which takes its time to build; a batch between two runs as the next larger one.
    workspace_mib: scratch memory a kernel may take, in MiB; more can be faster.
    dla_core: which deep-learning accelerator the engine is for, None for the GPU. It computes in half precision; what
        it cannot run, the GPU does.
    """

    precision: Precision = "int8"
    max_batch: int = 4
    workspace_mib: int = 1024
    dla_core: int | None = None

    def __post_init__(self) -> None:
        if self.max_batch < 1 or self.workspace_mib < 1 or (self.dla_core is not None and self.dla_core < 0):
            raise ConfigError("max_batch and workspace_mib start at 1, dla_core at 0")
        if self.dla_core is not None and self.precision == "fp32":
            raise ConfigError("a DLA core computes in half precision", hint="choose fp16")


def build_engine(
    source: Path, out: Path, options: BuildOptions, timing: Path | None = None, home: Path | None = None
) -> EngineManifest:
    """Build ``out`` (.engine) and its manifest from ``source`` (.onnx); needs the GPU it is for.

    timing: where timings of kernels are kept, so that a second build takes seconds; ``out`` with the suffix .timing
    unless given. home: the folder that the engine is for, where that is not the one it is written to.
    Raises EngineError with node and operator where the parser refuses the network, and MissingDependency without
    TensorRT or pycuda.
    """
    try:
        import tensorrt as trt
    except ImportError as error:
        raise MissingDependency(
            "tensorrt",
            needed_for="building an engine",
            install="apt install python3-libnvinfer-dev (JetPack)",
            because=error,
        ) from error
    gpu = Gpu()
    with gpu.current():
        engine, precision = serialised_engine(trt, source, timing or out.with_suffix(".timing"), options)
    with atomic_write(out) as partial:
        partial.write_bytes(engine)
    manifest = EngineManifest(
        tensorrt=trt.__version__,
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
        onnx=seen_from(home or out.parent, source),
        onnx_sha256=sha256_of(source),
        engine_sha256=sha256_of(out),
        precision=precision,
        options=asdict(options),
    )
    write_engine_manifest(out, manifest)
    return manifest


def serialised_engine(trt: Any, source: Path, timing: Path, options: BuildOptions) -> tuple[bytes, str]:
    """The engine's bytes and the precisions its kernels may use. trt: ``tensorrt``, or ``tensorrt_rtx``."""
    model = read_onnx(source)
    if is_quantised(model) != (options.precision == "int8"):
        holds = "is in INT8" if is_quantised(model) else "holds no Q/DQ"
        raise EngineError(
            f"{holds}, so it makes no {options.precision} engine",
            where=source,
            hint="INT8 engines come from the .int8.onnx, others from the FP32 network",
        )
    if options.precision == "int8" and options.dla_core is not None:
        # NVIDIA/TensorRT #2222, and still so in 2026 (NVIDIA/Model-Optimizer #1661): what is between Q/DQ pairs would
        # run in half precision or on the GPU, without a word, since the GPU may take what a DLA does not.
        raise EngineError(
            "a DLA core knows no Q/DQ, which is how INT8 is written",
            where=source,
            hint="give the FP32 network, which it runs in half precision",
        )
    builder = Builder(trt)
    kinds = {"int8": ("INT8", "FP16"), "fp16": ("FP16",), "fp32": ()}[options.precision]
    model = fusible(model)
    if "FP16" in kinds and not builder.has_flag("FP16"):
        model = in_half_precision(model)
    network, errors = builder.parse(model)
    if errors:
        raise EngineError(f"TensorRT {trt.__version__} refuses {errors[0]}", where=source, hint=next_step(source))
    config = builder.config(options.workspace_mib)
    for kind in kinds:
        builder.allow(config, kind)
    most = options.max_batch
    if options.dla_core is None:
        builder.profiles(network, config, batches_up_to(most))
    else:
        builder.use_dla(config, options.dla_core)
        # A DLA runs one shape.
        builder.profiles(network, config, [most])
    precision = ("+".join(kinds) or "FP32") + ("" if options.dla_core is None else f" on DLA {options.dla_core}")
    _use_timings(config, timing)
    with progress(trt, config, f"building {source.name} ({precision})"):
        engine = builder.build(network, config)
    with atomic_write(timing) as partial:
        partial.write_bytes(bytes(config.get_timing_cache().serialize()))
    return engine, precision


def _use_timings(config: Any, path: Path) -> None:
    """Those that were kept; none where they are damaged or of another TensorRT or GPU."""
    known = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)
