"""``python -m calibrate verify``: what INT8 or an engine costs in accuracy, and a verdict against a budget."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from calibrate.calibration_set import load_clips
from calibrate.compare import Deviation, agreement, deviation, median_latency_ms, outputs, top1
from edge.command_line import console
from edge.contract.bundle import REFERENCE, STUDENT_FP32, STUDENT_INT8, read_bundle
from edge.contract.files import replacing
from edge.contract.types import Float32
from edge.engines.engine import Engine
from edge.engines.registry import open_engine

OVER_BUDGET = 1
"""Exit code of a comparison that ran and failed; 2 is for a user's error."""
ROUNDS = 50


@dataclass(frozen=True)
class VerifyConfig:
    """Compare a student with its FP32 ONNX, and fail where it lost more than the budget allows."""

    bundle: Path
    """Bundle folder."""
    clips: Path | None = None
    """test.npz with clips and labels, as `python -m train export` wrote it. Without it the candidate is held
    against the FP32 logits stored in the bundle, which needs no ONNX Runtime on the device."""
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
    """What was compared, what was found, and which budgets were missed (empty: passed).

    errors: by output. latency_ms: median of each engine, the candidate's last. measured: percentages.
    """

    reference: str
    candidate: str
    samples: int
    errors: Mapping[str, Deviation]
    bytes_ratio: float
    latency_ms: list[float]
    measured: Mapping[str, float]
    missed: list[str]


def verify(config: VerifyConfig) -> None:
    """Print and write the verdict; exit code 1 where a budget was missed."""
    bundle = read_bundle(config.bundle)
    fp32 = bundle.file(STUDENT_FP32)
    path = config.candidate or bundle.file(STUDENT_INT8)
    engines = [open_engine(path, threads=config.threads)]
    measured: dict[str, float] = {}
    missed: list[str] = []
    if config.clips is None:
        stored = bundle.reference()
        clips, wanted, reference = _one_by_one(stored["clips"]), stored["logits"], f"the FP32 logits in {REFERENCE}"
        given = _logits(engines[0], clips, "candidate")
    else:
        test = load_clips(config.clips)
        clips = _one_by_one(test.clips)
        engines.insert(0, open_engine(fp32, threads=config.threads))
        reference = engines[0].describe()
        wanted, given = _logits(engines[0], clips, "FP32"), _logits(engines[1], clips, "candidate")
        measured = {"top1_reference": 100 * top1(wanted, test.labels), "top1_candidate": 100 * top1(given, test.labels)}
        if (drop := measured["top1_reference"] - measured["top1_candidate"]) > config.max_top1_drop:
            missed.append(f"top-1 fell by {drop:.2f} points, {config.max_top1_drop:g} are allowed")
    measured["agreement"] = 100 * agreement(wanted, given)
    if measured["agreement"] < config.min_agreement:
        missed.append(f"decisions agree on {measured['agreement']:.2f} %, {config.min_agreement:g} % are wanted")
    verdict = Verdict(
        reference=reference,
        candidate=engines[-1].describe(),
        samples=len(clips),
        errors={bundle.manifest.output_name: deviation(wanted, given)},
        bytes_ratio=path.stat().st_size / fp32.stat().st_size,
        latency_ms=median_latency_ms(engines, clips[0], ROUNDS),
        measured=measured,
        missed=missed,
    )
    conclude(verdict, config.report)


def conclude(verdict: Verdict, report: Path | None) -> None:
    """Print the verdict as a table, write it as JSON, and leave with exit code 1 if a budget was missed."""
    table = Table("", "value", title=f"{verdict.candidate}\nagainst {verdict.reference}, {verdict.samples} samples")
    for name, value in verdict.measured.items():
        table.add_row(name.replace("_", " "), f"{value:.2f} %")
    for name, e in verdict.errors.items():
        table.add_row(f"{name}: largest, mean error", f"{e.largest:.4f}, {e.mean:.5f} of {e.scale:.3f}")
    table.add_row("median latency, candidate last", ", ".join(f"{ms:.2f} ms" for ms in verdict.latency_ms))
    table.add_row("file size", f"{100 * verdict.bytes_ratio:.0f} %")
    table.add_row("verdict", "; ".join(verdict.missed) or "passed")
    console.print(table)
    if report is not None:
        with replacing(report) as partial:
            partial.write_text(json.dumps(asdict(verdict) | {"passed": not verdict.missed}, indent=2) + "\n")
    if verdict.missed:
        raise SystemExit(OVER_BUDGET)


def _logits(engine: Engine, clips: Sequence[Float32], what: str) -> Float32:
    (logits,) = outputs(engine, clips, what).values()
    return logits


def _one_by_one(clips: Float32) -> list[Float32]:
    return [clips[i : i + 1] for i in range(len(clips))]
