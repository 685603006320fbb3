"""Choose which of several engines of one network to keep: the fastest one within the accuracy budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.bench.query_times import QueryTimes
from edge.contract.errors import EngineError
from edge.contract.manifest import AccuracyBudget


@dataclass(frozen=True)
class Candidate:
    """What was measured of one precision on this device.

    agreement: percent of decisions (or of people found) equal to the reference's. top1_drop: in points, None without
        labels. excluded: why it must not be kept, whatever was measured. latency: None if there is no usable engine.
    """

    precision: str
    latency: QueryTimes | None = None
    agreement: float = 0.0
    top1_drop: float | None = None
    excluded: str = ""

    def rejection(self, budget: AccuracyBudget) -> str:
        """Why it cannot be chosen; empty if it can."""
        return self.excluded or "; ".join(budget.violations(self.agreement, self.top1_drop))


@dataclass(frozen=True)
class Choice:
    """kept: the precision to use. reasons: why each candidate was kept or rejected, by precision."""

    kept: str
    reasons: dict[str, str]


def choose(candidates: Sequence[Candidate], budget: AccuracyBudget, forced: str | None = None) -> Choice:
    """The fastest candidate within the budget, or the forced one if it was built.

    Raises EngineError if none qualifies, with every candidate's reason, or with that of the forced one.
    """
    rejections = {c.precision: c.rejection(budget) for c in candidates}
    built = {c.precision: c.latency.host for c in candidates if c.latency is not None}
    if forced is None:
        eligible = {p: latency for p, latency in built.items() if not rejections[p]}
    elif forced in built:
        eligible = {forced: built[forced]}
    else:
        raise EngineError(f"there is no {forced} engine: {rejections[forced]}", hint="choose another precision")
    if not eligible:
        why = "; ".join(f"{p}: {reason}" for p, reason in rejections.items())
        raise EngineError(f"no engine is within the budget ({why})", hint="force one with --precision, or retrain")
    kept = min(eligible, key=lambda p: eligible[p].p50_ms)
    reasons = {}
    for candidate in candidates:
        precision, rejection = candidate.precision, rejections[candidate.precision]
        if precision == kept:
            how = "forced" if forced else "the fastest within the budget"
            reasons[precision] = f"kept: {how}" + (f", although it {rejection}" if rejection else "")
        elif rejection:
            reasons[precision] = rejection
        elif forced is not None:
            reasons[precision] = f"{forced} was forced"
        else:
            assert candidate.latency is not None
            ratio = candidate.latency.host.p50_ms / eligible[kept].p50_ms
            reasons[precision] = f"{ratio:.2f} times the time of {kept}"
    return Choice(kept, reasons)


def comparison(candidates: Sequence[Candidate], choice: Choice, reference: str) -> dict[str, Any]:
    """The candidates as JSON values, for the kept engine's manifest. reference: what they were compared with."""
    return {"reference": reference, "engines": [_figures(c, choice.reasons[c.precision]) for c in candidates]}


def _figures(candidate: Candidate, verdict: str) -> dict[str, Any]:
    """Without times and accuracy where there is no usable engine."""
    found: dict[str, Any] = {"precision": candidate.precision, "verdict": verdict}
    if candidate.latency is not None:
        times = {name: ms if ms is None else round(ms, 4) for name, ms in candidate.latency.medians().items()}
        found |= {**times, "agreement": candidate.agreement, "top1_drop": candidate.top1_drop}
    return found
