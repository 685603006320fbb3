"""Which of several engines of one network to keep: the fastest of those that lose little enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calibrate.evaluation.compare import Latency
from edge.contract.errors import EngineError
from edge.contract.manifest import AccuracyBudget


@dataclass(frozen=True)
class Candidate:
    """What was found about one precision on this device.

    agreement: percent of decisions (or of people found) that are the reference's. top1_drop: points, None without
        labels. failed: why there is no engine; then nothing else was measured. yardstick: why this one only measures
        the others, and is not to be kept.
    """

    precision: str
    latency: Latency | None = None
    agreement: float = 0.0
    top1_drop: float | None = None
    failed: str = ""
    yardstick: str = ""

    def misses(self, budget: AccuracyBudget) -> str:
        """What of the budget it misses, or why it is no choice at all; empty where it is within."""
        if self.failed or self.yardstick:
            return self.failed or self.yardstick
        return "; ".join(budget.violations(self.agreement, self.top1_drop))


@dataclass(frozen=True)
class Choice:
    """kept: the precision to use. reasons: for every candidate why it was kept or not, by precision."""

    kept: str
    reasons: dict[str, str]


def choose(candidates: Sequence[Candidate], budget: AccuracyBudget, forced: str | None = None) -> Choice:
    """The fastest candidate within the budget, or the one a user forces, if it could be built.

    Raises EngineError where none is left, with every candidate's reason or with that of the one forced.
    """
    misses = {c.precision: c.misses(budget) for c in candidates}
    built = {c.precision: c.latency for c in candidates if c.latency is not None and not c.failed}
    if forced is None:
        within = {p: latency for p, latency in built.items() if not misses[p]}
    elif forced in built:
        within = {forced: built[forced]}
    else:
        raise EngineError(f"there is no {forced} engine: {misses[forced]}", hint="choose another precision")
    if not within:
        why = "; ".join(f"{p}: {reason}" for p, reason in misses.items())
        raise EngineError(f"no engine is within the budget ({why})", hint="force one with --precision, or retrain")
    kept = min(within, key=lambda p: within[p].p50_ms)
    reasons = {}
    for candidate in candidates:
        precision, missed = candidate.precision, misses[candidate.precision]
        if precision == kept:
            how = "forced" if forced else "the fastest within the budget"
            reasons[precision] = f"kept: {how}" + (f", although it {missed}" if missed else "")
        elif missed:
            reasons[precision] = missed
        elif forced is not None:
            reasons[precision] = f"{forced} was forced"
        else:
            assert candidate.latency is not None
            slower = candidate.latency.p50_ms / within[kept].p50_ms
            reasons[precision] = f"{slower:.2f} times the time of {kept}"
    return Choice(kept, reasons)
