"""TensorRT's real parser and builder, without a GPU: what it refuses here, no board will take.

TensorRT-RTX builds ahead of time for desktop GPUs on any machine. It knows no Jetson, and its parser is of
the newest generation, so a pass is no proof for an older one; :mod:`calibrate.tensorrt.rules` covers those.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from calibrate.quantisation.onnx_graph import read_onnx
from calibrate.tensorrt.builder import Builder, batches_up_to
from calibrate.tensorrt.half_precision import in_half_precision
from calibrate.tensorrt.parser_errors import ParserError
from calibrate.tensorrt.qdq_fusion import fusible
from edge.contract.errors import EngineError, MissingDependency

TARGETS = ("SM86", "SM89", "SM120")
WORKSPACE_MIB = 256


@dataclass(frozen=True)
class GateReport:
    """errors: what was refused, empty for a pass. engine_bytes: target and form -> size of the engine built."""

    errors: tuple[ParserError, ...]
    engine_bytes: dict[str, int]


def gate(network: Path, targets: tuple[str, ...] = TARGETS) -> GateReport:
    """Parse an ONNX file and build it for each target, and in half precision for the first, keeping nothing.

    Raises EngineError for a file that cannot be read, MissingDependency without TensorRT-RTX.
    """
    try:
        import tensorrt_rtx
    except ImportError as error:
        raise MissingDependency(
            "tensorrt_rtx", needed_for="the parser gate", install="pip install tensorrt-rtx-cu13", because=error
        ) from error
    # What an engine is built from: up to TensorRT 10 the first, whatever its precision, and from 11 on the second.
    whole = fusible(read_onnx(network))
    report = _asked(tensorrt_rtx, whole, targets)
    if report.errors:
        return report
    try:
        half = _asked(tensorrt_rtx, in_half_precision(whole), targets[:1])
    except EngineError as error:
        half = GateReport((ParserError("", "", str(error)),), {})
    named = (ParserError(e.node, e.operator, f"in half precision: {e.message}") for e in half.errors)
    sizes = {f"{target}, in half precision": size for target, size in half.engine_bytes.items()}
    return GateReport(tuple(named), report.engine_bytes | sizes)


def _asked(trt: Any, model: onnx.ModelProto, targets: tuple[str, ...]) -> GateReport:
    builder = Builder(trt)
    parsed, errors = builder.parse(model)
    if errors:
        return GateReport(tuple(errors), {})
    sizes: dict[str, int] = {}
    for target in targets:
        config = builder.config(WORKSPACE_MIB)
        builder.profiles(parsed, config, batches_up_to(4))
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, target), 0)
        try:
            sizes[target] = len(builder.build(parsed, config))
        except EngineError as error:
            return GateReport((ParserError("", "", f"{target}: {error}"),), sizes)
    return GateReport((), sizes)
