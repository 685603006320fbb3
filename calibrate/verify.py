"""``python -m calibrate verify``: compare INT8 students and engines with FP32 under the bundle's accuracy budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from calibrate.calibration_set import LabelledClips, clips_for, held_out
from calibrate.configuration import VerifyConfig
from calibrate.evaluation.compare import (
    Deviation,
    agreement_threshold,
    deviation,
    latencies,
    logits_of,
    top1,
    unbatched,
)
from edge.bench.accuracy_figures import agreement
from edge.bench.query_times import QueryTimes
from edge.cli.console import console
from edge.cli.exit_codes import FAILED
from edge.contract.bundle import CALIBRATION, STUDENT_FP32, STUDENT_INT8, Bundle, read_bundle
from edge.contract.errors import BundleError, ConfigError, DeviceLostError, EngineError, MissingDependency
from edge.contract.files import require_writable, write_json
from edge.contract.manifest import AccuracyBudget
from edge.contract.reading import read_json
from edge.contract.types import Float32
from edge.engines.engine import Engine
from edge.engines.registry import open_engine
from edge.recognition.recogniser import check_tensors

if TYPE_CHECKING:
    from calibrate.evaluation.layer_gaps import LayerGap

ROUNDS = 50
LAYER_SAMPLES = 16


@dataclass(frozen=True)
class Comparison:
    """Logits compared with the FP32 student's. agreement: percent of samples with the same decision."""

    samples: int
    agreement: float
    error: Deviation


@dataclass(frozen=True)
class NetworkResult:
    """Results of one network. stored: on the bundle's reference clips; labelled: on the labelled clips.

    top1: percent. bytes_ratio: file size relative to FP32's. missed: one line per missed budget, empty for a pass.
    """

    network: str
    runtime: str
    stored: Comparison
    labelled: Comparison | None
    top1: float | None
    bytes_ratio: float
    latency: QueryTimes
    missed: list[str]


def verify(config: VerifyConfig) -> None:
    """Print and write the results; exit code 1 if a budget is missed. Raises OutputError early for the report."""
    bundle = read_bundle(config.bundle)
    stored = bundle.reference()
    test = None if config.clips is None else clips_for(bundle, config.clips)
    if config.held_out:
        test = _held_out(bundle, test, config.clips)
    given = {"max_top1_drop": config.max_top1_drop, "min_agreement": config.min_agreement}
    budget = replace(bundle.manifest.budget, **{name: limit for name, limit in given.items() if limit is not None})
    if test is None and config.min_agreement is None:
        budget = replace(budget, min_agreement=agreement_threshold(len(stored["clips"]), budget.min_agreement))
    opened, skipped = _networks(bundle, config)
    if test is not None or any(path.suffix == ".onnx" for path in opened):
        fp32 = bundle.file(STUDENT_FP32)
        opened = {fp32: _opened(fp32, bundle, config.threads), **opened}
    require_writable(config.report)
    size = bundle.manifest.files[STUDENT_FP32].bytes
    results = _measured(opened, size, stored, test, budget, compare_top1=not config.held_out)
    layers: list[LayerGap] = []
    int8 = [path for path in opened if path.suffix == ".onnx" and path.name != STUDENT_FP32]
    if int8:
        # Imported here because it needs onnx, which a device that verifies engines lacks.
        from calibrate.evaluation.layer_gaps import layer_gaps

        layers = layer_gaps(bundle.file(STUDENT_FP32), int8[0], unbatched(stored["clips"][:LAYER_SAMPLES]))
    _show(results, skipped, layers, budget)
    passed = not any(r.missed for r in results)
    if config.report is not None:
        written = {
            "passed": passed,
            "held_out": config.held_out,
            "budget": asdict(budget),
            "bundle_budget": asdict(bundle.manifest.budget),
            "networks": [asdict(r) | {"latency": r.latency.medians()} for r in results],
            "not_run": skipped,
            "layers": [asdict(gap) for gap in layers],
        }
        write_json(config.report, written)
    if not passed:
        raise SystemExit(FAILED)


def _held_out(bundle: Bundle, given: LabelledClips | None, where: Path | None) -> LabelledClips:
    """Return the clips that ``calibration.json`` does not list. Raises ConfigError if it was made from another file."""
    path, again = bundle.file(CALIBRATION), "run `python -m calibrate student` again"
    record = read_json(path, BundleError, again)
    ids = record.get("ids")
    if "source" not in record or not isinstance(ids, list) or not all(isinstance(number, int) for number in ids):
        raise BundleError("it has no source or ids", where=path, hint=again)
    if given is None or where is None or where.name != record["source"]:
        hint = f"give the file that calibrate student was given, {record['source']}"
        raise ConfigError("held_out needs the clips that ranges were taken from", where=where, hint=hint)
    kept = held_out(len(given.ids), np.flatnonzero(np.isin(given.ids, ids)))
    which = "which no range was taken from" if len(kept) < len(given.ids) else "because too few others are left"
    console.print(f"agreement is measured on {len(kept)} of the {len(given.ids)} clips of {where}, {which}")
    return LabelledClips(given.clips[kept], given.labels[kept], given.ids[kept])


def _networks(bundle: Bundle, config: VerifyConfig) -> tuple[dict[Path, Engine], dict[str, str]]:
    """Open the networks to verify. Also returns the engines that cannot run here, with the reason."""
    if config.candidate is not None:
        return {config.candidate: _opened(config.candidate, bundle, config.threads)}, {}
    int8 = bundle.file(STUDENT_INT8)
    opened = {int8: _opened(int8, bundle, config.threads)}
    skipped = {}
    for path in sorted(bundle.folder.glob("student*.engine")):
        try:
            opened[path] = _opened(path, bundle, config.threads)
        except DeviceLostError:
            raise
        except (EngineError, MissingDependency) as error:
            skipped[path.name] = str(error)
    return opened, skipped


def _opened(path: Path, bundle: Bundle, threads: int) -> Engine:
    engine = open_engine(path, threads=threads)
    check_tensors(bundle, engine)
    return engine


def _measured(
    opened: Mapping[Path, Engine],
    fp32_bytes: int,
    stored: Mapping[str, Float32],
    test: LabelledClips | None,
    budget: AccuracyBudget,
    compare_top1: bool,
) -> list[NetworkResult]:
    """Measure and judge each network. With labelled clips, the first network must be FP32."""
    results: list[NetworkResult] = []
    wanted: Float32 | None = None
    times = latencies(list(opened.values()), stored["clips"][:1], ROUNDS)
    for (path, engine), latency in zip(opened.items(), times, strict=True):
        found = on_stored = _compare(stored["logits"], logits_of(engine, stored["clips"], f"{path.name}, stored clips"))
        labelled, right, drop = None, None, None
        if test is not None:
            given = logits_of(engine, test.clips, f"{path.name}, labelled clips")
            wanted = given if wanted is None else wanted
            found = labelled = _compare(wanted, given)
            right = 100 * top1(given, test.labels)
            drop = 100 * top1(wanted, test.labels) - right if compare_top1 else None
        missed, ratio = budget.violations(found.agreement, drop), path.stat().st_size / fp32_bytes
        results.append(NetworkResult(path.name, engine.describe(), on_stored, labelled, right, ratio, latency, missed))
    return results


def _compare(wanted: Float32, given: Float32) -> Comparison:
    return Comparison(len(wanted), agreement(wanted, given), deviation(wanted, given))


def _show(
    results: Sequence[NetworkResult], skipped: Mapping[str, str], layers: Sequence[LayerGap], budget: AccuracyBudget
) -> None:
    if layers:
        gaps = Table("layer", "operator", "variance lost %", title="INT8 against FP32 by layer, in execution order")
        for gap in layers:
            gaps.add_row(gap.layer, gap.operator, f"{100 * gap.lost:.3f}")
        console.print(gaps)
    table = Table("network", title="against the FP32 student")
    for column in ("top-1 %", "agreement %", "largest, mean error", "p50, p90 ms", "size %"):
        table.add_column(column, justify="right")
    table.columns[0].no_wrap = True
    for r in results:
        found = r.labelled or r.stored
        errors = f"{found.error.largest:.3f}, {found.error.mean:.4f}\nof {found.error.scale:.2f}"
        accuracy = "" if r.top1 is None else f"{r.top1:.2f}"
        times = f"{r.latency.host.p50_ms:.2f}, {r.latency.host.p90_ms:.2f}"
        size = f"{100 * r.bytes_ratio:.0f}"
        table.add_row(r.network, accuracy, f"{found.agreement:.2f}", errors, times, size)
    console.print(table)
    for r in results:
        few = f", judged on only {r.stored.samples} clips, of which {budget.min_agreement:.2f} % must agree"
        passed = "within the budget" + ("" if r.labelled else few)
        console.print(f"{r.network} on {r.runtime}: {'; '.join(r.missed) or passed}")
    for name, why in skipped.items():
        console.print(f"{name} was not run: {why}")
