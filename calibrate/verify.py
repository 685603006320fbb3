"""``python -m calibrate verify``: what INT8 or an engine costs in accuracy, and a verdict against a budget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from calibrate.calibration_set import load_clips
from calibrate.compare import OutputError, agreement, median_latency_ms, output_error, outputs, top1
from edge.command_line import console
from edge.contract.bundle import STUDENT_FP32, STUDENT_INT8, read_bundle
from edge.contract.files import replacing
from edge.engines.engine import open_engine

OVER_BUDGET = 1
"""Exit code of a comparison that ran and failed; 2 is for a user's error."""
ROUNDS = 50


@dataclass(frozen=True)
class VerifyConfig:
    """Compare a student with its FP32 ONNX, and fail where it lost more than the budget allows."""

    bundle: Path
    """Bundle folder."""
    clips: Path
    """test.npz with clips and labels, as `python -m train export` wrote it."""
    candidate: Path | None = None
    """Network to judge, .onnx or .engine; by default the bundle's student.int8.onnx."""
    report: Path | None = None
    """JSON file to write."""
    max_top1_drop: float = 1.0
    """Points of top-1 that may be lost."""
    min_agreement: float = 99.0
    """Percent of clips on which both must decide alike."""
    threads: int = 0
    """CPU threads of ONNX Runtime, 0 for all."""


@dataclass(frozen=True)
class Verdict:
    """What was compared, what was found, and which budgets were missed (empty: passed)."""

    reference: str
    candidate: str
    samples: int
    errors: Mapping[str, OutputError]
    bytes_ratio: float
    latency_ms: tuple[float, float]
    measured: Mapping[str, float]
    missed: list[str] = field(default_factory=list)


def verify(config: VerifyConfig) -> None:
    """Print and write the verdict; exit code 1 where a budget was missed."""
    bundle = read_bundle(config.bundle)
    fp32 = bundle.file(STUDENT_FP32)
    other = config.candidate or bundle.file(STUDENT_INT8)
    test = load_clips(config.clips)
    stored = bundle.reference()
    engines = [open_engine(path, threads=config.threads) for path in (fp32, other)]
    name = bundle.manifest.output_name
    clips = [test.clips[i : i + 1] for i in range(len(test.clips))]
    wanted, given = (outputs(e, clips, f"running {p.name}")[name] for e, p in zip(engines, (fp32, other), strict=True))
    self_test = outputs(engines[1], [stored["clips"][i : i + 1] for i in range(len(stored["clips"]))], "self-test")
    measured = {
        "top1_reference": 100 * top1(wanted, test.labels),
        "top1_candidate": 100 * top1(given, test.labels),
        "agreement": 100 * agreement(wanted, given),
    }
    missed = []
    if (drop := measured["top1_reference"] - measured["top1_candidate"]) > config.max_top1_drop:
        missed.append(f"top-1 fell by {drop:.2f} points, {config.max_top1_drop:g} are allowed")
    if measured["agreement"] < config.min_agreement:
        missed.append(f"decisions agree on {measured['agreement']:.2f} %, {config.min_agreement:g} % are wanted")
    reference_ms, candidate_ms = median_latency_ms(engines, clips[0], ROUNDS)
    conclude(
        Verdict(
            engines[0].describe(),
            engines[1].describe(),
            len(clips),
            {name: output_error(wanted, given), "self-test": output_error(stored["logits"], self_test[name])},
            other.stat().st_size / fp32.stat().st_size,
            (reference_ms, candidate_ms),
            measured,
            missed,
        ),
        config.report,
    )


def conclude(verdict: Verdict, report: Path | None) -> None:
    """Print the verdict as a table, write it as JSON, and leave with exit code 1 if a budget was missed."""
    table = Table("", "value", title=f"{verdict.candidate}\nagainst {verdict.reference}, {verdict.samples} samples")
    for name, value in verdict.measured.items():
        table.add_row(name.replace("_", " "), f"{value:.2f} %")
    for name, error in verdict.errors.items():
        table.add_row(
            f"{name} error, largest / mean / of", f"{error.largest:.4f} / {error.mean:.5f} / {error.scale:.3f}"
        )
    before, after = verdict.latency_ms
    table.add_row(
        "median latency, reference / candidate", f"{before:.2f} / {after:.2f} ms ({before / after:.2f} times)"
    )
    table.add_row("file size", f"{100 * verdict.bytes_ratio:.0f} %")
    table.add_row("verdict", "; ".join(verdict.missed) or "passed")
    console.print(table)
    if report is not None:
        with replacing(report) as partial:
            partial.write_text(json.dumps(_plain(verdict), indent=2) + "\n", encoding="utf-8")
    if verdict.missed:
        raise SystemExit(OVER_BUDGET)


def _plain(verdict: Verdict) -> dict[str, Any]:
    return asdict(verdict) | {"passed": not verdict.missed}
