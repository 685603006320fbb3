"""``python -m calibrate gate``: check a network with TensorRT-RTX's real parser and builder, which need no GPU.

TensorRT-RTX builds ahead of time for desktop GPUs, on any machine. A network that it refuses fails on every board. A
pass does not prove that an older TensorRT accepts it, because its parser is of the newest generation and it supports
no Jetson; :mod:`calibrate.tensorrt.rules` checks for what older versions refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from rich.table import Table

from calibrate.quantisation.onnx_graph import is_quantised, read_onnx
from calibrate.tensorrt.builder import Builder, profile_batches
from calibrate.tensorrt.configuration import GateConfig
from calibrate.tensorrt.half_precision import to_half_precision
from calibrate.tensorrt.parser_errors import ParserError, next_step
from calibrate.tensorrt.qdq_fusion import fusible, weights_in_float
from calibrate.tensorrt.rules import notes, violations
from edge.cli.console import console
from edge.cli.exit_codes import FAILED
from edge.contract.errors import EngineError, importing

TARGETS = ("SM86", "SM89", "SM120")
WORKSPACE_MIB = 256


@dataclass(frozen=True)
class GateReport:
    """errors: empty for a pass. engine_bytes: target and form -> size of the built engine."""

    errors: tuple[ParserError, ...]
    engine_bytes: dict[str, int]


def check_network(config: GateConfig) -> None:
    """Print what TensorRT refuses of a network; exit code 1 if anything."""
    model = read_onnx(config.onnx)
    report = gate(config.onnx)
    refused = [*violations(model), *map(str, report.errors)]
    table = Table("check", "result", title=str(config.onnx))
    for target, size in report.engine_bytes.items():
        table.add_row(f"builds for {target}", f"{size / 1e6:.1f} MB")
    for line in refused:
        table.add_row("refused", line)
    for line in notes(model):
        table.add_row("note", line)
    table.add_row("verdict", "refused" if refused else "passed")
    console.print(table)
    if report.errors:
        console.print(next_step(config.onnx, "POLYGRAPHY_USE_TENSORRT_RTX=1 "))
    if refused:
        raise SystemExit(FAILED)


def gate(network: Path, targets: tuple[str, ...] = TARGETS) -> GateReport:
    """Parse an ONNX file and build it for each target, and in half precision for the first; the engines are discarded.

    Raises EngineError if the file cannot be read, MissingDependency without TensorRT-RTX.
    """
    with importing("tensorrt_rtx", needed_for="the parser gate", install="pip install tensorrt-rtx-cu13"):
        import tensorrt_rtx
    # Up to TensorRT 10 every engine is built with float weights; from 11 on, FP16 and INT8 ones in half precision.
    whole = fusible(read_onnx(network))
    report = _try_build(tensorrt_rtx, weights_in_float(whole), targets)
    if report.errors:
        return report
    try:
        half = _try_build(tensorrt_rtx, to_half_precision(whole), targets[:1])
    except EngineError as error:
        half = GateReport((ParserError("", "", str(error)),), {})
    named = (ParserError(e.node, e.operator, f"in half precision: {e.message}") for e in half.errors)
    sizes = {f"{target}, in half precision": size for target, size in half.engine_bytes.items()}
    return GateReport(tuple(named), report.engine_bytes | sizes)


def _try_build(trt: Any, model: onnx.ModelProto, targets: tuple[str, ...]) -> GateReport:
    builder = Builder(trt)
    parsed, errors = builder.parse(model)
    if errors:
        return GateReport(tuple(errors), {})
    sizes: dict[str, int] = {}
    for target in targets:
        config = builder.config(WORKSPACE_MIB, "int8" if is_quantised(model) else "fp32")
        builder.add_profiles(parsed, config, profile_batches(4))
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, target), 0)
        try:
            sizes[target] = len(builder.build(parsed, config))
        except EngineError as error:
            return GateReport((ParserError("", "", f"{target}: {error}"),), sizes)
    return GateReport((), sizes)
