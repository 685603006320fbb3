"""``python -m calibrate gate``: check without a GPU whether TensorRT accepts a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from edge.cli.console import console
from edge.cli.exit_codes import FAILED


@dataclass(frozen=True)
class GateConfig:
    """Check with TensorRT's own parser and builder, without a GPU, whether they accept a network."""

    onnx: Path
    """Network to check."""


def gate(config: GateConfig) -> None:
    """Print what is refused; exit code 1 if anything is."""
    from calibrate.quantisation.onnx_graph import read_onnx
    from calibrate.tensorrt.parser_errors import next_step
    from calibrate.tensorrt.parser_gate import gate as ask
    from calibrate.tensorrt.rules import notes, violations

    model = read_onnx(config.onnx)
    report = ask(config.onnx)
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
