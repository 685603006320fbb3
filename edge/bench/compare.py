"""Compare two latency reports: what became faster or slower, and what is within the noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from edge.bench.latency_report import FORMAT
from edge.cli.console import console, print_data
from edge.contract.errors import DataError
from edge.contract.reading import read_json, wrap_value_errors

MIN_CHANGE = 0.03
"""Smaller relative changes are noise: clocks and caches cause as much between two starts."""
FIGURES = ("p50_ms", "p90_ms")
"""p99 and maximum are too noisy over a few runs."""


@dataclass(frozen=True)
class Change:
    """before, after: medians of the runs. ratio: after / before.

    significant: the ranges of the runs do not overlap, and the medians differ by at least 3 %.
    """

    what: str
    before: float
    after: float
    ratio: float
    significant: bool


def compare(earlier: Path, later: Path) -> None:
    """Print the ratio of every figure that both files have. Raises DataError if one is not a latency report."""
    before, after = _read(earlier), _read(later)
    with wrap_value_errors(f"{earlier} or {later}", DataError, "measure again"):
        mismatches, found = differences(before, after), changes(before, after)
    for mismatch in mismatches:
        console.print(f"warning: the reports differ in {mismatch}")
    table = Table("what", "before", "after", "ratio", "")
    for change in found:
        verdict = "" if not change.significant else "faster" if _is_improvement(change) else "slower"
        figures = f"{change.before:.2f}", f"{change.after:.2f}", f"{change.ratio:.3f}"
        table.add_row(change.what, *figures, verdict)
    print_data(table)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The change of every figure that both reports have."""
    old, new = dict(_figures(before)), dict(_figures(after))
    return [_change(what, runs, new[what]) for what, runs in old.items() if what in new]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Settings and machine properties that differ, with both values."""
    settings = ("bundle", "precision", "threads", "source", "pose", "student")
    pairs = [(key, before[key], after[key]) for key in settings]
    pairs += [(key, before["machine"][key], after["machine"][key]) for key in ("machine", "cpu", "cores", "power_mode")]
    return [f"{key}: {old} and {new}" for key, old, new in pairs if old != new]


def _change(what: str, before: list[float], after: list[float]) -> Change:
    old, new = median(before), median(after)
    ratio = new / old if old else float("inf") if new else 1.0
    separate = max(before) < min(after) or max(after) < min(before)
    # The noise of a single run is unknown.
    repeated = min(len(before), len(after)) > 1
    return Change(what, old, new, ratio, repeated and separate and abs(ratio - 1) >= MIN_CHANGE)


def _is_improvement(change: Change) -> bool:
    return (change.ratio > 1) == change.what.startswith("frames per second")


def _figures(report: Mapping[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """Each figure's name, and its value in each run."""
    loop = report["loop"]
    yield "frames per second", [run["frames_per_s"] for run in loop]
    for stage in loop[0]["stages"]:
        for figure in FIGURES:
            if all(stage in run["stages"] for run in loop):
                yield f"{stage}, {figure[:-3]} ms", [run["stages"][stage][figure] for run in loop]
    shown = [run for run in report["display"]["runs"] if "p50_ms" in run]
    for figure in FIGURES if shown else ():
        yield f"capture to display ({report['display']['to']}), {figure[:-3]} ms", [run[figure] for run in shown]
    for place, first in enumerate(report["student_batches"][0]):
        yield from _queries(f"student, batch {first['batch']}", [run[place] for run in report["student_batches"]])
    for name in report["pose_networks"][0]:
        yield from _queries(name, [run[name] for run in report["pose_networks"]])


def _queries(what: str, runs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[float]]]:
    """The host's figures, and the GPU's if it has a clock."""
    for figure in FIGURES:
        yield f"{what}, {figure[:-3]} ms", [run[figure] for run in runs]
        if all(run["device"] for run in runs):
            yield f"{what}, GPU {figure[:-3]} ms", [run["device"][figure] for run in runs]


def _read(path: Path) -> dict[str, Any]:
    hint = "give a latency.json of `python -m edge bench latency`"
    report = read_json(path, DataError, hint)
    if report.get("format") != FORMAT:
        raise DataError("this is not a latency report, or one of another release", where=path, hint=hint)
    return report
