"""ONNX to a TensorRT engine, on the device that will run it, for TensorRT 8.5 to 11."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from calibrate.onnx_graph import read_onnx
from calibrate.qdq_fusion import fusible
from calibrate.tensorrt_builder import Builder
from edge.command_line import console
from edge.contract.bundle import sha256_of
from edge.contract.errors import EngineError, MissingDependency
from edge.contract.files import replacing
from edge.engines.engine_manifest import EngineManifest, write_engine_manifest
from edge.engines.gpu import Gpu


@dataclass(frozen=True)
class BuildOptions:
    """What the builder may do. The engine's manifest keeps it.

    fp16: let what is not INT8 run in half precision. From TensorRT 11 on, precision lives in the ONNX
        file and this changes nothing.
    max_batch: the most clips in one run, where the network's batch axis is free.
    workspace_mib: scratch memory a kernel may take, in MiB; more can be faster.
    """

    fp16: bool = True
    max_batch: int = 4
    workspace_mib: int = 1024


def build_engine(source: Path, out: Path, options: BuildOptions) -> EngineManifest:
    """Build ``out`` (.engine) and its manifest from ``source`` (.onnx); needs the GPU it is for.

    Timings of kernels are kept in ``out`` with the suffix .timing, so that a second build takes seconds.
    Raises EngineError with node and operator where the parser refuses the network, and MissingDependency
    without TensorRT or pycuda.
    """
    try:
        import tensorrt as trt
    except ImportError as error:
        raise MissingDependency(
            "tensorrt", needed_for="building an engine", install="apt install python3-libnvinfer-dev (JetPack)"
        ) from error
    gpu = Gpu()
    with gpu.current():
        engine, precision = serialised_engine(trt, source, out.with_suffix(".timing"), options)
    with replacing(out) as partial:
        partial.write_bytes(engine)
    manifest = EngineManifest(
        tensorrt=trt.__version__,
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
        onnx=source.name,
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
    quantised = any(n.op_type == "QuantizeLinear" for n in model.graph.node)
    builder = Builder(trt)
    network, errors = builder.parse(fusible(model).SerializeToString())
    if errors:
        raise EngineError(f"TensorRT {trt.__version__} refuses {errors[0]}", where=source)
    config = builder.config(options.workspace_mib)
    builder.profile(network, config, (1, 1, options.max_batch))
    precision = _allow(trt, config, quantised, options.fp16)
    cache = _timing_cache(config, timing)
    with _progress(trt, config, f"building {source.name} ({precision})"):
        engine = builder.build(network, config)
    with replacing(timing) as partial:
        partial.write_bytes(bytes(cache.serialize()))
    return engine, precision


def _allow(trt: Any, config: Any, quantised: bool, fp16: bool) -> str:
    """Set the precision flags where the version has them; from 11 on the ONNX alone decides."""
    allowed = {"INT8": quantised, "FP16": fp16}
    for name in allowed:
        flag = getattr(trt.BuilderFlag, name, None)
        if flag is None:
            allowed[name] = allowed[name] and name == "INT8"
        elif allowed[name]:
            config.set_flag(flag)
    return "+".join([name for name, yes in allowed.items() if yes] or ["FP32"])


def _timing_cache(config: Any, path: Path) -> Any:
    """The cache in use; a fresh one where the kept one is from another TensorRT or GPU."""
    known = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache


@contextmanager
def _progress(trt: Any, config: Any, what: str) -> Iterator[None]:
    """A bar for the builder's outermost phase from TensorRT 10 on; before, a clock, for it may take minutes."""
    start = time.monotonic()
    if not hasattr(trt, "IProgressMonitor"):
        with console.status(f"{what}: this takes minutes the first time"):
            yield
    else:
        with Progress(console=console, transient=True) as progress:
            config.progress_monitor = _monitor(trt, progress, what)
            yield
            config.progress_monitor = None
    console.print(f"{what}: {time.monotonic() - start:.0f} s")


def _monitor(trt: Any, progress: Progress, what: str) -> Any:
    class Bars(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._bars: dict[str, Any] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                self._bars[phase_name] = progress.add_task(what, total=num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self._bars:
                progress.update(self._bars[phase_name], completed=step + 1)
            return True

        def phase_finish(self, phase_name: str) -> None:
            self._bars.pop(phase_name, None)

    return Bars()
