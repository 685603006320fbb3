"""Build a TensorRT engine from an ONNX file, on the device that will run it, with TensorRT 8.5 to 11."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calibrate.quantisation.onnx_graph import is_quantised, read_onnx
from calibrate.tensorrt.build_progress import with_progress
from calibrate.tensorrt.builder import PRECISION_FLAGS, Builder, Precision, profile_batches
from calibrate.tensorrt.half_precision import to_half_precision
from calibrate.tensorrt.parser_errors import next_step
from calibrate.tensorrt.qdq_fusion import fusible, weights_in_float
from edge.contract.bundle import sha256_of
from edge.contract.errors import ConfigError, EngineError, OutputError, importing
from edge.contract.files import atomic_write, require_writable
from edge.contract.intervals import require_in
from edge.contract.reading import wrap_read_errors
from edge.engines.engine_manifest import EngineManifest, manifest_path, relative_source, write_engine_manifest
from edge.engines.gpu import Gpu


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build. The engine's manifest records them, and they are the flags of the command that repeats it.

    precision: int8 and fp16 let layers run in FP16 (int8 those that are not quantised); fp32 is full single
        precision, without TF32.
    max_batch: largest batch of one run, if the network's batch axis is dynamic. See
        :func:`calibrate.tensorrt.builder.profile_batches`; each profile adds to the build time.
    workspace_mib: scratch memory a kernel may use, in MiB; more can be faster.
    dla_core: DLA core to build for, None for the GPU. A DLA computes in FP16; the GPU runs layers that it cannot.
    """

    precision: Precision = "int8"
    max_batch: int = 4
    workspace_mib: int = 1024
    dla_core: int | None = None

    def __post_init__(self) -> None:
        require_in(self, max_batch="[1, 65536]", workspace_mib="[1, 1048576]", dla_core="[0, inf)")
        if self.dla_core is not None and self.precision == "fp32":
            raise ConfigError("a DLA core computes in half precision", hint="choose fp16")


def build_engine(source: Path, out: Path, options: BuildOptions, destination: Path | None = None) -> EngineManifest:
    """Build ``out`` (.engine) and its manifest from ``source`` (.onnx). Needs the GPU that will run it.

    destination: where the engine will be moved to, by default ``out``. The timing cache beside it makes a second build
        take seconds.
    Raises EngineError with node and operator if the parser rejects the network, MissingDependency without TensorRT or
    pycuda, and OutputError before the build if a file cannot be written.
    """
    install = "apt install python3-libnvinfer-dev (JetPack)"
    with importing("tensorrt", needed_for="building an engine", install=install):
        import tensorrt as trt
    gpu, destination = Gpu(), destination or out
    require_writable(out, manifest_path(out))
    with gpu.current(path=out):
        timing = destination.with_suffix(".timing")
        engine, precision = serialised_engine(trt, source, timing, options, lambda: gpu.current(path=out))
    with atomic_write(out) as partial:
        partial.write_bytes(engine)
    manifest = EngineManifest(
        tensorrt=trt.__version__,
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
        onnx=relative_source(destination.parent, source),
        onnx_sha256=sha256_of(source),
        engine_sha256=sha256_of(out),
        precision=precision,
        options=asdict(options),
    )
    write_engine_manifest(out, manifest)
    return manifest


def serialised_engine(
    trt: Any,
    source: Path,
    timing: Path,
    options: BuildOptions,
    on_gpu: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> tuple[bytes, str]:
    """The engine's bytes, and the precisions its kernels may use.

    trt: ``tensorrt`` or ``tensorrt_rtx``. on_gpu: see :class:`calibrate.tensorrt.builder.Builder`.
    """
    model = read_onnx(source)
    if is_quantised(model) != (options.precision == "int8"):
        found = "is in INT8" if is_quantised(model) else "contains no Q/DQ pairs"
        raise EngineError(
            f"{found}, so no {options.precision} engine can be built from it",
            where=source,
            hint="INT8 engines come from the .int8.onnx, others from the FP32 network",
        )
    if options.precision == "int8" and options.dla_core is not None:
        # Up to TensorRT 10 a DLA takes calibrated ranges only (NVIDIA/Model-Optimizer #1661). From 11 on Q/DQ sets its
        # types too, but it needs a pair on every tensor, and these networks have float ones. With GPU_FALLBACK TensorRT
        # would silently run the layers between pairs in half precision or on the GPU.
        raise EngineError(
            "a DLA core does not support Q/DQ, which is how INT8 is written",
            where=source,
            hint="give the FP32 network, which it runs in half precision",
        )
    builder = Builder(trt, on_gpu)
    flags = PRECISION_FLAGS[options.precision]
    model = fusible(model)
    if builder.has_flag("FP16"):
        model = weights_in_float(model)
    elif "FP16" in flags:
        model = to_half_precision(model)
    network, errors = builder.parse(model)
    if errors:
        raise EngineError(f"TensorRT {trt.__version__} refuses {errors[0]}", where=source, hint=next_step(source))
    config = builder.config(options.workspace_mib, options.precision)
    precision = "+".join(flags) or "FP32"
    batches = profile_batches(options.max_batch)
    if options.dla_core is not None:
        builder.use_dla(config, options.dla_core)
        batches = [options.max_batch]  # a DLA engine has one fixed shape
        precision += f" on DLA {options.dla_core}"
    builder.add_profiles(network, config, batches)
    _load_timing_cache(config, timing)
    require_writable(timing)
    what = f"building {source.name} ({precision})"
    engine = with_progress(trt, config, what, lambda: builder.build(network, config))
    with atomic_write(timing) as partial:
        partial.write_bytes(bytes(config.get_timing_cache().serialize()))
    return engine, precision


def _load_timing_cache(config: Any, path: Path) -> None:
    """Use the stored timing cache; start an empty one if it is damaged or of another TensorRT or GPU."""
    with wrap_read_errors(path, OutputError, "remove it"):
        stored = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(stored)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)
