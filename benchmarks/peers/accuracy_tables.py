"""Tables of the page from the run folders: accuracy, INT8, and Pareto fronts; blank where no training has run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from statistics import mean, stdev

from torch import __version__ as torch_version

from benchmarks.peers.fronts import DATASETS, QUALITIES, Point, better_training, pareto_front, points
from benchmarks.peers.int8_result import read_int8_result
from benchmarks.peers.trainings import ALONE, FOR_AS_LONG, ROWS, Quality, Training, finished
from edge.cli.report_page import markdown_table
from edge.machine import machine
from train.report import REPORT

BLANK = "did not run"
SHOWN = [*ALONE, *FOR_AS_LONG]
PANELS = [(dataset, see) for dataset in DATASETS for see in QUALITIES]


def shown_panel(dataset: str, see: Quality) -> str:
    return f"{DATASETS[dataset]}, {see.upper()}"


def accuracies(rows: Iterable[str]) -> list[str]:
    """Top-1 in percent: mean, with standard deviation over several seeds, number of seeds; minutes of training."""

    def cell(runs: list[Training]) -> str:
        return f"{spread([run.top1() for run in runs])} ({len(runs)})"

    def minutes(row: str) -> list[str]:
        trained = (finished(row, dataset, "lq") for dataset in DATASETS)
        return [f"{mean(run.minutes() for run in runs):.1f}" if runs else "" for runs in trained]

    columns = ["network", *_panel_names(), "minutes, Penn Action LQ", "minutes, UTD-MHAD LQ"]
    return markdown_table(columns, [[*_by_panel(row, cell), *minutes(row)] for row in rows])


def int8_accuracies(rows: Iterable[str]) -> list[str]:
    """Top-1 in INT8, its difference from FP32, and the agreement of both."""

    def cell(runs: list[Training]) -> str:
        results = [result for run in runs if (result := read_int8_result(run)) is not None]
        if not results:
            return BLANK
        gain = mean(r.int8 - r.fp32 for r in results)
        return f"{mean(r.int8 for r in results):.1f} ({gain:+.1f}), {mean(r.agreement for r in results):.1f}"

    return markdown_table(["network in INT8", *_panel_names()], [_by_panel(row, cell) for row in rows])


def _panel_names() -> list[str]:
    return [shown_panel(*panel) for panel in PANELS]


def _by_panel(row: str, cell: Callable[[list[Training]], str]) -> list[str]:
    """The network's name, and a cell for each panel."""
    found = [(panel, finished(row, *panel)) for panel in PANELS]
    return [row, *(cell(runs) if runs else _blank(row, *panel) for panel, runs in found)]


def _blank(row: str, dataset: str, see: Quality) -> str:
    return Training(row, dataset, see, 0).left_out or BLANK


def spread(values: list[float]) -> str:
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def compared(dataset: str, see: Quality, times: dict[str, list[float]]) -> list[Point]:
    """The points to draw, in both precisions: our networks distilled on LQ skeletons, the better training on HQ ones.

    Of peers the better training without our teacher.
    """
    ours = [row for row in SHOWN if ROWS[row].network.startswith("dense_gcn")]
    if see == "lq":
        ours = [row for row in ours if ROWS[row].teacher]
    peers = [row for row in SHOWN if not ROWS[row].teacher and not ROWS[row].network.startswith("dense_gcn")]
    return [point for rows in (ours, peers) for point in better_training(points(times, rows, dataset, see))]


def fronts(times: dict[str, list[float]]) -> list[str]:
    """For each panel the networks on the front, and the most accurate of the others."""

    def listed(found: list[Point]) -> str:
        return "; ".join(f"{p.row}, {p.precision}: {p.top1:.1f} at {p.ms:.2f} ms" for p in found) or "none"

    columns = ("", "ours on the front", "others on the front", "the most accurate of the others, without our teacher")
    rows = []
    for panel in PANELS:
        found = compared(*panel, times)
        ahead, others = pareto_front(found), [p for p in found if not p.ours]
        if not ahead or not others:
            rows.append([shown_panel(*panel), BLANK])
            continue
        best = max(others, key=lambda p: (p.top1, -p.ms))
        shown = ([p for p in ahead if p.ours], [p for p in ahead if not p.ours], [best])
        rows.append([shown_panel(*panel), *map(listed, shown)])
    return markdown_table(columns, rows)


def _trained(runs: Iterable[Training]) -> list[str]:
    """Dates and machine. Reports have neither: dates are the files' times, the machine is the one writing the page."""
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
        *int8_accuracies(SHOWN),
        "",
        "The Pareto fronts of accuracy and latency:",
        "",
        *fronts(times),
        "",
        method,
        "",
    ]
