"""Does distillation pay? Teacher, LQ-only students and distilled students over several seeds."""

from __future__ import annotations

import json
import platform
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.table import Table

from edge.command_line import console
from edge.contract.errors import ConfigError
from edge.contract.files import replacing
from train.data.registry import DataConfig
from train.fit import Optimiser
from train.teach import StudentConfig, TeacherConfig, train_student, train_teacher


@dataclass(frozen=True)
class CompareConfig:
    """Train everything the comparison needs, over several seeds, and write the table."""

    out: Path
    """Folder for all runs; finished ones are kept and not trained again."""
    data: DataConfig = field(default_factory=DataConfig)
    """The dataset."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One training of each kind for each."""
    students: tuple[str, ...] = ("shift_gcn_student", "dense_gcn")
    """Networks to compare as students."""
    width: int = 32
    """Channels of the first units, of teacher and students (64 in the paper)."""
    optimiser: Optimiser = field(default_factory=Optimiser)
    """Length and rates of every training."""
    threads: int = 0
    """CPU threads; 0 for as many as there are cores."""

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ConfigError("a comparison without seeds trains nothing", hint="give --seeds, such as [0, 1, 2]")


def compare(config: CompareConfig) -> None:
    """Train as configured; writes comparison.json and comparison.md into ``out``."""
    rows: dict[str, list[float]] = {}
    for seed in config.seeds:
        folder = config.out / f"seed{seed}"
        base = TeacherConfig(
            out=folder / "teacher",
            data=config.data,
            width=config.width,
            optimiser=config.optimiser,
            seed=seed,
            threads=config.threads,
        )
        rows.setdefault("teacher on HQ", []).append(train_teacher(base).top1)
        for network in config.students:
            alone = replace(base, out=folder / f"{network}-lq", network=network, see="lq")
            rows.setdefault(f"{network}, LQ only", []).append(train_teacher(alone).top1)
            taught = StudentConfig(
                out=folder / f"{network}-distilled",
                teacher=base.out,
                data=config.data,
                network=network,
                width=config.width,
                optimiser=config.optimiser,
                seed=seed,
                threads=config.threads,
            )
            rows.setdefault(f"{network}, distilled", []).append(train_student(taught).top1)
    _write(config, rows)


def gap_recovered(distilled: float, alone: float, teacher: float) -> float:
    """Share of the way from the LQ-only student to the teacher; not a number where there is no gap."""
    return (distilled - alone) / (teacher - alone) if teacher != alone else float("nan")


def _write(config: CompareConfig, rows: dict[str, list[float]]) -> None:
    with replacing(config.out / "comparison.json") as partial:
        partial.write_text(json.dumps({"seeds": config.seeds, "top1": rows}, indent=1), encoding="utf-8")
    lines = ["| network | top-1 %, mean | standard deviation | each seed | gap recovered |", "|---|---|---|---|---|"]
    table = Table("network", "top-1 %", "sd", "gap recovered", title=f"{config.data.dataset}, seeds {config.seeds}")
    teacher = statistics.mean(rows["teacher on HQ"])
    for name, values in rows.items():
        mean, sd = statistics.mean(values) * 100, statistics.stdev(values) * 100 if len(values) > 1 else float("nan")
        gap = "-"
        if name.endswith(", distilled"):
            alone = statistics.mean(rows[name.replace("distilled", "LQ only")])
            gap = f"{gap_recovered(mean / 100, alone, teacher) * 100:.0f} %"
        each = " ".join(f"{value * 100:.2f}" for value in values)
        lines.append(f"| {name} | {mean:.2f} | {sd:.2f} | {each} | {gap} |")
        table.add_row(name, f"{mean:.2f}", f"{sd:.2f}", gap)
    lines.append(f"\nMachine: {platform.machine()}, {platform.system()}, Python {platform.python_version()}.")
    with replacing(config.out / "comparison.md") as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    console.print(table)
