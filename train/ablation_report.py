"""The table, the plot and the page of an ablation."""

from __future__ import annotations

import datetime
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.table import Table
from scipy.special import stdtrit

from edge.cli.console import console
from edge.cli.report_page import markdown_table, replace_section
from edge.contract.files import atomic_write, write_json, write_text

BASELINE, TEACHER_HQ, TEACHER_LQ = "alone", "teacher on HQ", "teacher on LQ"
"""The method that gains are computed over; the row at which the gap is closed; the teacher without distillation."""
COLUMNS = ("method", "top-1 %, mean +- 95 %", "sd", "each seed", "gain over alone +- 95 %", "gap recovered", "time")


@dataclass(frozen=True)
class Result:
    """Top-1 accuracy 0..1 of one training. drop: None if LQ skeletons are not made by dropping joints."""

    drop: float | None
    method: str
    seed: int
    top1: float
    seconds_per_epoch: float


@dataclass(frozen=True)
class Row:
    """A method over its seeds, in percentage points.

    margin, gain_margin: half widths of 95 % confidence intervals. gain: over the baseline of the same seed. gap: see
    :func:`gap_recovered`; NaN as well if the teacher's gain is within its interval. slowdown: seconds per epoch
    relative to the baseline.
    """

    method: str
    each: tuple[float, ...]
    mean: float
    sd: float
    margin: float
    gain: float
    gain_margin: float
    gap: float
    slowdown: float


def confidence_margin(values: Sequence[float]) -> float:
    """Half the width of the mean's 95 % confidence interval, by Student's t; NaN for fewer than two values."""
    if len(values) < 2:
        return float("nan")
    return float(stdtrit(len(values) - 1, 0.975) * statistics.stdev(values) / len(values) ** 0.5)


def gap_recovered(student: float, alone: float, teacher: float) -> float:
    """(student - alone) / (teacher on HQ - alone); NaN if the teacher is no better than the baseline, alone."""
    return (student - alone) / (teacher - alone) if teacher > alone else float("nan")


def rows_of(results: Sequence[Result]) -> list[Row]:
    """One row per method, in the order of first results. All results must have the same ``drop``."""
    by_method: dict[str, dict[int, Result]] = {}
    for result in results:
        by_method.setdefault(result.method, {})[result.seed] = result
    baseline, ceiling = by_method[BASELINE], by_method[TEACHER_HQ]
    alone = statistics.mean(result.top1 for result in baseline.values())
    top = statistics.mean(result.top1 for result in ceiling.values())

    def gains(seeds: dict[int, Result]) -> list[float]:
        return [(seeds[seed].top1 - baseline[seed].top1) * 100 for seed in seeds]

    # False for a single seed, which has no interval.
    no_gap = statistics.mean(gains(ceiling)) <= confidence_margin(gains(ceiling))
    pace = statistics.median(result.seconds_per_epoch for result in baseline.values())
    rows = []
    for name, seeds in by_method.items():
        values = [seeds[seed].top1 * 100 for seed in sorted(seeds)]
        mean = statistics.mean(values)
        rows.append(
            Row(
                name, tuple(values), mean, statistics.stdev(values) if len(values) > 1 else float("nan"),
                confidence_margin(values), statistics.mean(gains(seeds)), confidence_margin(gains(seeds)),
                float("nan") if no_gap else gap_recovered(mean / 100, alone, top),
                statistics.median(result.seconds_per_epoch for result in seeds.values()) / pace,
            )
        )  # fmt: skip
    return rows


def write_ablation(folder: Path, page: Path | None, about: dict[str, Any], results: Sequence[Result]) -> None:
    """Write ablation.json, ablation.md and ablation.png into ``folder``, and replace the section of ``page``."""
    tables: dict[float | None, list[Row]] = {}
    for drop in sorted({result.drop for result in results}, key=lambda drop: drop or 0):
        tables[drop] = rows_of([result for result in results if result.drop == drop])
    # JSON has no NaN, which a teacher's seconds are.
    written = [{key: None if value != value else value for key, value in asdict(result).items()} for result in results]
    write_json(folder / "ablation.json", {"about": about, "results": written})
    section = "\n".join(_section(about, tables))
    write_text(folder / "ablation.md", section)
    _plot(folder / "ablation.png", about["dataset"], tables)
    if page is not None:
        replace_section(page, about["dataset"], section, title="Does distillation pay?")
    for drop, rows in tables.items():
        table = Table(*COLUMNS, title=f"{about['dataset']}, {_named(drop)}")
        for row in rows:
            table.add_row(*_cells(row))
        console.print(table)


def _named(drop: float | None) -> str:
    return "recorded LQ skeletons" if drop is None else f"drop {drop}"


def _section(about: dict[str, Any], tables: dict[float | None, list[Row]]) -> list[str]:
    lines = [f"## {about['dataset']}", ""]
    lines += [f"- {key}: {value}" for key, value in about.items() if key not in ("dataset", "seeds")]
    lines += [
        f"- {len(about['seeds'])} seeds: {', '.join(map(str, about['seeds']))}",
        f"- {datetime.date.today()}, {platform.machine()}, {platform.system()}, Python {platform.python_version()}, "
        f"PyTorch {torch.__version__}",
    ]
    for drop, rows in tables.items():
        lines += ["", f"### {about['dataset']}, {_named(drop)}", ""]
        lines += markdown_table(COLUMNS, [_cells(row) for row in rows])
    return lines


def _cells(row: Row) -> tuple[str, ...]:
    """A row of the table, one cell for each of COLUMNS."""
    gain = "" if row.method == BASELINE else f"{row.gain:+.2f}{_margin(row.gain_margin)}"
    gap = "" if row.method in (BASELINE, TEACHER_HQ) or np.isnan(row.gap) else f"{row.gap * 100:.0f} %"
    sd = "" if np.isnan(row.sd) else f"{row.sd:.2f}"
    time = "" if np.isnan(row.slowdown) else f"{row.slowdown:.2f}"
    each = " ".join(f"{value:.1f}" for value in row.each)
    return row.method, f"{row.mean:.2f}{_margin(row.margin)}", sd, each, gain, gap, time


def _margin(half_width: float) -> str:
    """A single seed has no interval."""
    return "" if np.isnan(half_width) else f" +- {half_width:.2f}"


def _plot(path: Path, name: str, tables: dict[float | None, list[Row]]) -> None:
    """Mean and 95 % confidence interval of each method, one panel per kind of LQ skeletons."""
    longest = max(len(rows) for rows in tables.values())
    figure = Figure(figsize=(6 * len(tables), 0.36 * longest + 1.4), layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False)
    for axes, (drop, rows) in zip(panels[0], tables.items(), strict=True):
        rows = [row for row in rows if row.method != TEACHER_LQ]
        places = range(len(rows))
        axes.errorbar([row.mean for row in rows], places, xerr=[row.margin for row in rows], fmt="o", capsize=3)
        axes.set_yticks(places, [row.method for row in rows])
        axes.invert_yaxis()
        for reference in (BASELINE, TEACHER_HQ):
            mean = next(row.mean for row in rows if row.method == reference)
            axes.axvline(mean, color="grey", linewidth=0.8, linestyle="--")
        axes.set_xlabel("top-1 %, mean and 95 % confidence interval")
        axes.set_title(f"{name}, {_named(drop)}")
        axes.grid(alpha=0.3)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=130)
