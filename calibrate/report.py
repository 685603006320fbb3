"""``python -m calibrate report``: write the accuracy of a bundle's INT8 student into a Markdown page."""

from __future__ import annotations

import datetime
import os
import platform
import textwrap
from typing import Any

from calibrate.configuration import ReportConfig, StudentConfig
from edge.cli.console import console
from edge.cli.report_page import markdown_table, replace_section
from edge.contract.bundle import CALIBRATION, STUDENT_FP32, STUDENT_INT8, Bundle, read_bundle
from edge.contract.errors import BundleError, DataError
from edge.contract.manifest import AccuracyBudget
from edge.contract.reading import read_json, wrap_value_errors

VERIFY_AGAIN = "write it with `python -m calibrate verify --clips test.npz --report`"
COLUMNS = (
    "FP32 top-1 %", "INT8 top-1 %", "agreement with FP32 %", "float layers", "file, of FP32 %", "FP32, INT8 p50 ms",
)  # fmt: skip


def report(config: ReportConfig) -> None:
    """Replace the section. Raises DataError if the report is absent or was made without labelled clips."""
    bundle = read_bundle(config.bundle)
    verified = read_json(config.verified, DataError, VERIFY_AGAIN)
    with wrap_value_errors(f"{config.verified} or the bundle's {CALIBRATION}", DataError, VERIFY_AGAIN):
        if not all(network.get("labelled") for network in verified["networks"]):
            raise DataError("contains no results on labelled clips", where=config.verified, hint=VERIFY_AGAIN)
        lines = section(bundle, verified)
    name = str(bundle.manifest.training.get("dataset", bundle.manifest.name))
    replace_section(config.page, f"{name}, INT8", "\n".join(lines), title="INT8 against FP32")
    console.print("\n".join(lines))


def section(bundle: Bundle, verified: dict[str, Any]) -> list[str]:
    """Return the section's lines; a figure that misses its limit is bold."""
    manifest = bundle.manifest
    networks = {n["network"]: n for n in verified["networks"]}
    fp32, int8 = networks[STUDENT_FP32], networks[STUDENT_INT8]
    record = read_json(bundle.file(CALIBRATION), BundleError, "run `python -m calibrate student` again")
    training, budget = manifest.training, AccuracyBudget(**verified["budget"])
    held_out = verified.get("held_out", False)  # older reports lack this key
    clips = "held-out training clips" if held_out else "test clips"
    drop, alike = fp32["top1"] - int8["top1"], int8["labelled"]["agreement"]
    size, largest = 100 * int8["bytes_ratio"], StudentConfig.max_size
    epochs = training.get("quantise_aware_epochs")
    further = "" if epochs is None else f", then fine-tuned in INT8 for {epochs} epochs"
    runtime = fp32["runtime"].replace(", FP32", "")
    layers = sum(gap["operator"] in {"Conv", "Gemm"} for gap in verified["layers"])
    row = (
        f"{training.get('network')}, width {training.get('width')}",
        str(fp32["labelled"]["samples"]),
        f"{fp32['top1']:.2f}",
        _bold(f"{int8['top1']:.2f}", budget.violations(100, None if held_out else drop)),
        _bold(f"{alike:.2f}", budget.violations(alike)),
        f"{len(record['float_layers'])} of {layers}",
        _bold(f"{size:.1f}", size > largest),
        f"{fp32['latency']['p50_ms']:.2f}, {int8['latency']['p50_ms']:.2f}",
    )
    return [
        f"### {training.get('dataset', manifest.name)}",
        "",
        *textwrap.wrap(
            f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, {runtime}. Student distilled with "
            f"the method `{training.get('method')}`, {training.get('epochs')} epochs; ranges by {record['method']} of "
            f"{len(record['ids'])} training clips{further}. Budget: top-1 within {budget.max_top1_drop:g} points, "
            f"agreement of {budget.min_agreement:g} %; bold: budget missed, or more than {largest:.0f} % "
            "of the file size.",
            width=120,
        ),
        "",
        *markdown_table(("student", clips, *COLUMNS), [row]),
    ]


def _bold(figure: str, over: object) -> str:
    return f"**{figure}**" if over else figure
