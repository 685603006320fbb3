"""Tables of the page from the run folders: accuracy, in eight bits, and who is on the front; blanks where none ran."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from statistics import mean, stdev

from torch import __version__ as torch_version

from benchmarks.peers.eight_bits import in_eight_bits
from benchmarks.peers.fronts import DATASETS, QUALITIES, Point, better_training, front, points
from benchmarks.peers.trainings import ALONE, FOR_AS_LONG, ROWS, Quality, Training, finished
from edge.machine import machine
from train.report import REPORT

BLANK = "did not run"
SHOWN = [*ALONE, *FOR_AS_LONG]
PANELS = [(dataset, see) for dataset in DATASETS for see in QUALITIES]


def shown_panel(dataset: str, see: Quality) -> str:
    return f"{DATASETS[dataset]}, {see.upper()}"


def accuracies(rows: Iterable[str]) -> list[str]:
    """Top-1 in percent: mean, over several seeds with its standard deviation, number of seeds; minutes of training."""

    def cell(runs: list[Training]) -> str:
        return f"{spread([run.top1() for run in runs])} ({len(runs)})"

    lines = _table("network", rows, cell, "minutes, Penn Action LQ", "minutes, UTD-MHAD LQ")
    for place, row in enumerate(rows, start=2):
        for dataset in DATASETS:
            runs = finished(row, dataset, "lq")
            lines[place] += f" {mean(run.minutes() for run in runs):.1f} |" if runs else " |"
    return lines


def eight_bits(rows: Iterable[str]) -> list[str]:
    """Top-1 in INT8, what that is more than in FP32, and how often both decide alike."""

    def cell(runs: list[Training]) -> str:
        told = [result for run in runs if (result := in_eight_bits(run)) is not None]
        if not told:
            return BLANK
        gained = mean(result.int8 - result.fp32 for result in told)
        return f"{mean(result.int8 for result in told):.1f} ({gained:+.1f}), {mean(r.agreement for r in told):.1f}"

    return _table("network in INT8", rows, cell)


def _table(title: str, rows: Iterable[str], cell: Callable[[list[Training]], str], *more: str) -> list[str]:
    columns = [title, *(shown_panel(*panel) for panel in PANELS), *more]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        found = [(panel, finished(row, *panel)) for panel in PANELS]
        cells = [cell(runs) if runs else _blank(row, *panel) for panel, runs in found]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


def _blank(row: str, dataset: str, see: Quality) -> str:
    return Training(row, dataset, see, 0).left_out or BLANK


def spread(values: list[float]) -> str:
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def compared(dataset: str, see: Quality, times: dict[str, list[float]]) -> list[Point]:
    """What is drawn, in both precisions: on poor skeletons ours as taught, on good ones the better of its trainings.

    Of peers the better of their own trainings, without our teacher.
    """
    ours = [row for row in SHOWN if ROWS[row].network.startswith("dense_gcn")]
    if see == "lq":
        ours = [row for row in ours if ROWS[row].teacher]
    peers = [row for row in SHOWN if not ROWS[row].teacher and not ROWS[row].network.startswith("dense_gcn")]
    return [point for rows in (ours, peers) for point in better_training(points(times, rows, dataset, see))]


def fronts(times: dict[str, list[float]]) -> list[str]:
    """For each panel who is on the front, and the most accurate of both sides."""

    def listed(found: list[Point]) -> str:
        return "; ".join(f"{p.row}, {p.precision}: {p.top1:.1f} at {p.ms:.2f} ms" for p in found) or "none"

    lines = [
        "| | ours on the front | others on the front | the most accurate of the others, without our teacher |",
        "|---|---|---|---|",
    ]
    for panel in PANELS:
        found = compared(*panel, times)
        ahead, others = front(found), [p for p in found if not p.ours]
        if not ahead or not others:
            lines.append(f"| {shown_panel(*panel)} | {BLANK} | | |")
            continue
        best = max(others, key=lambda p: (p.top1, -p.ms))
        lines.append(
            f"| {shown_panel(*panel)} | {listed([p for p in ahead if p.ours])} "
            f"| {listed([p for p in ahead if not p.ours])} | {listed([best])} |"
        )
    return lines


def _trained(runs: Iterable[Training]) -> list[str]:
    """When, and on what: reports say neither, so by their files' times, and by the machine that writes the page."""
    days = sorted(datetime.fromtimestamp((run.out / REPORT).stat().st_mtime, timezone.utc).date() for run in runs)
    if not days:
        return []
    about = machine()
    versions = ", ".join(
        f"{name} {version}" for name, version in (*about["versions"].items(), ("torch", torch_version))
    )
    return [f"Trained {days[0]} to {days[-1]}, {len(days)} runs, one core each; {about['cpu']}; {versions}.", ""]


def accuracy_section(times: dict[str, list[float]], findings: str, method: str) -> list[str]:
    return [
        "### Accuracy on the same clips",
        "",
        "    python -m benchmarks.peers.accuracy --data DATA [--seeds 3]",
        "",
        *_trained(run for row in SHOWN for panel in PANELS for run in finished(row, *panel)),
        findings,
        "",
        "*Alone*: every network without a teacher, for the same number of epochs:",
        "",
        *accuracies(ALONE),
        "",
        "Small networks trained for about as long as EfficientGCN-B0, and networks distilled (*taught*):",
        "",
        *accuracies(FOR_AS_LONG),
        "",
        "INT8: top-1 %, in brackets the difference from FP32, then the agreement with FP32 in percent:",
        "",
        *eight_bits(SHOWN),
        "",
        "The Pareto fronts of accuracy and latency:",
        "",
        *fronts(times),
        "",
        method,
        "",
    ]
