"""The trainings of the comparison: rows of the tables, and each row's training on a dataset and a quality."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Literal

from train.configuration import Hardware, StudentConfig, TeacherConfig
from train.data.configuration import DataConfig
from train.data.pairs import PairConfig
from train.optimiser import Optimiser
from train.report import REPORT, read_report

Quality = Literal["hq", "lq"]

RUNS = Path("runs/peers/accuracy")
DROP = 0.6
"""Share of joints dropped from LQ clips."""

NETWORKS: dict[str, tuple[str, int]] = {
    "dd_net_s": ("dd_net_s", 16),
    "dd_net_m": ("dd_net_m", 32),
    "dd_net": ("dd_net", 64),
    "dense_gcn 12": ("dense_gcn", 12),
    "dense_gcn 16": ("dense_gcn", 16),
    "dense_gcn 24": ("dense_gcn", 24),
    "dense_gcn 32": ("dense_gcn", 32),
    "dense_gcn 48": ("dense_gcn", 48),
    "dense_gcn_motion 8": ("dense_gcn_motion", 8),
    "dense_gcn_motion 16": ("dense_gcn_motion", 16),
    "dense_gcn_motion 32": ("dense_gcn_motion", 32),
    "efficient_gcn_b0": ("efficient_gcn_b0", 64),
    "shift_gcn": ("shift_gcn_teacher", 64),
    "st_gcn_pp": ("st_gcn_pp", 64),
    "st_gcn": ("st_gcn", 64),
}
"""Networks to time: registered name and width; ours are the dense_gcn. Cheapest training first."""


@dataclass(frozen=True)
class Row:
    """How a network is trained. longer: factor on the number of epochs. teacher: row of its teacher, for our method.

    The teacher reads HQ skeletons and has the same seed. mirrored: mirrored clips are added, which is wrong if classes
    name a side. sees: skeleton qualities; others are left out, for reasons given on the page.
    """

    network: str
    longer: float = 1.0
    teacher: str | None = None
    mirrored: bool = False
    sees: tuple[Quality, ...] = ("hq", "lq")


ALONE: dict[str, Row] = {name: Row(name) for name in NETWORKS}
"""The same number of epochs for all."""

TEACHER = "dense_gcn 48, longer"
MOTION_TEACHER = "dense_gcn_motion 16, longer"
FOR_AS_LONG: dict[str, Row] = {
    "dd_net_s, longer": Row("dd_net_s", 4),
    "dd_net_m, longer": Row("dd_net_m", 4),
    "dd_net, longer": Row("dd_net", 3),
    TEACHER: Row("dense_gcn 48", 2),
    "dense_gcn 16, taught": Row("dense_gcn 16", 3, TEACHER, sees=("lq",)),
    "dense_gcn 24, taught": Row("dense_gcn 24", 2, TEACHER, sees=("lq",)),
    "dense_gcn 32, taught": Row("dense_gcn 32", 2, TEACHER, sees=("lq",)),
    "dense_gcn 48, taught": Row("dense_gcn 48", 1.5, TEACHER, sees=("lq",)),
    "dense_gcn_motion 8, longer": Row("dense_gcn_motion 8", 3),
    "dense_gcn_motion 8, taught": Row("dense_gcn_motion 8", 3, MOTION_TEACHER),
    MOTION_TEACHER: Row("dense_gcn_motion 16", 3),
    "dense_gcn_motion 32, longer": Row("dense_gcn_motion 32", 2),
    "dense_gcn_motion 16, taught": Row("dense_gcn_motion 16", 3, MOTION_TEACHER),
    "dense_gcn_motion 16, taught, mirrored": Row("dense_gcn_motion 16", 3, MOTION_TEACHER, mirrored=True, sees=("hq",)),
    "efficient_gcn_b0, taught": Row("efficient_gcn_b0", teacher=TEACHER, sees=("lq",)),
    "efficient_gcn_b0, mirrored": Row("efficient_gcn_b0", mirrored=True, sees=("hq",)),
}
"""Small networks, each trained for no longer than EfficientGCN-B0 takes for the epochs above."""

ROWS = {**ALONE, **FOR_AS_LONG}

NAMES_SIDES = ("utd_mhad",)
"""Datasets whose classes name a side: swipe left is not swipe right."""

TRAINING: dict[str, tuple[Optimiser, PairConfig]] = {
    "utd_mhad": (
        Optimiser(epochs=30, batch=16, learning_rate=0.1, schedule="cosine", weight_decay=5e-4),
        PairConfig(rotate_deg=10, max_yaw_deg=0, max_pitch_deg=0, drop=DROP),
    ),
    "penn_action": (
        Optimiser(epochs=12, batch=32, learning_rate=0.1, schedule="cosine", weight_decay=5e-4),
        PairConfig(rotate_deg=10, drop=DROP),
    ),
}


@dataclass(frozen=True)
class Training:
    """One row's training on one dataset, on clips of one quality."""

    row: str
    dataset: str
    see: Quality
    seed: int

    @property
    def out(self) -> Path:
        dataset, row = (name.replace(",", "").replace(" ", "_") for name in (self.dataset, self.row))
        return RUNS / dataset / row / self.see / f"seed{self.seed}"

    @property
    def left_out(self) -> str | None:
        """Why it is not trained, None if it is."""
        row = ROWS[self.row]
        if row.mirrored and self.dataset in NAMES_SIDES:
            return "classes name sides"
        return None if self.see in row.sees else "left out"

    @property
    def teacher(self) -> Training | None:
        """The training of its teacher, which must run first."""
        teacher = ROWS[self.row].teacher
        return None if teacher is None else replace(self, row=teacher, see="hq")

    def config(self, data: Path) -> TeacherConfig | StudentConfig:
        optimiser, pairs = TRAINING[self.dataset]
        row = ROWS[self.row]
        name, width = NETWORKS[row.network]
        optimiser = replace(optimiser, epochs=round(row.longer * optimiser.epochs))
        pairs = replace(pairs, mirror=row.mirrored)
        hardware = Hardware(accelerator="cpu", precision="bf16-mixed", threads=1)
        if self.teacher is None:
            return TeacherConfig(
                out=self.out, data=DataConfig(self.dataset, data, pairs=pairs), network=name, width=width,
                see=self.see, optimiser=optimiser, hardware=hardware, seed=self.seed,
            )  # fmt: skip
        if self.see == "hq":
            # A student of HQ skeletons: both clips of a pair are HQ.
            pairs = replace(pairs, drop=0.0)
        return StudentConfig(
            out=self.out, teacher=self.teacher.out, data=DataConfig(self.dataset, data, pairs=pairs), network=name,
            width=width, method="ours", optimiser=optimiser, hardware=hardware, seed=self.seed,
        )  # fmt: skip

    @property
    def is_finished(self) -> bool:
        return (self.out / REPORT).is_file()

    def top1(self) -> float:
        """Percent of the test clips. Raises DataError if the training has not finished."""
        return 100 * float(read_report(self.out)["top1"])

    def minutes(self) -> float:
        """Epochs times the median epoch, since trainings had to wait at times. Raises DataError if not finished."""
        seconds = [epoch["seconds"] for epoch in read_report(self.out)["history"]]
        return float(median(seconds) * len(seconds) / 60)


def finished(row: str, dataset: str, see: Quality) -> list[Training]:
    """The finished trainings of all seeds."""
    folders = Training(row, dataset, see, 0).out.parent.glob("seed*")
    seeds = sorted(int(folder.name.removeprefix("seed")) for folder in folders)
    found = [Training(row, dataset, see, seed) for seed in seeds]
    return [training for training in found if training.is_finished]
