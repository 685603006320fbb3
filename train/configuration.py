"""Flags of the training commands: teacher, student and ablation.

No configuration.py imports PyTorch, not even for type checkers: `--help` loads them all, and PyTorch takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edge.contract.errors import ConfigError
from edge.contract.intervals import require_in
from train.data.configuration import DataConfig
from train.distillation.methods import METHODS, method
from train.optimiser import Optimiser

SEEDS, WIDTHS = f"[0, {1 << 63})", "[1, 65536]"


@dataclass(frozen=True)
class Hardware:
    """What to train on. ``torchrun`` and SLURM are supported too."""

    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU if there is one."""
    devices: int = 1
    """Processes per machine: one per GPU, or per share of the CPU."""
    nodes: int = 1
    """Number of machines."""
    precision: Literal["32-true", "bf16-mixed", "64-true"] = "32-true"
    """bf16-mixed: networks compute in bfloat16; weights, losses and gradients stay in float32. 64-true: double
    precision, to tell bugs from rounding."""
    threads: int = 0
    """CPU threads per process; 0 divides the cores among the processes."""
    workers: int = 0
    """Processes that prepare batches. 0 prepares them between the steps, which is enough on a CPU; a GPU needs four or
    more."""

    def __post_init__(self) -> None:
        require_in(self, devices="[1, 10000]", nodes="[1, 10000]", threads="[0, 10000]", workers="[0, 10000]")

    @property
    def dtype(self) -> Any:
        """PyTorch's dtype of weights, clips, losses and gradients."""
        import torch

        return torch.float64 if self.precision == "64-true" else torch.float32


@dataclass(frozen=True, kw_only=True)
class Training:
    """What teachers and students have in common."""

    out: Path
    """Folder of the run: checkpoint and report. An interrupted run is resumed."""
    data: DataConfig = field(default_factory=DataConfig)
    """What to train on. A student has the same data as its teacher."""
    network: str
    """Name of the network."""
    width: int | None = None
    """Channels of the first units; by default the network's own number."""
    optimiser: Optimiser = field(default_factory=Optimiser)
    """Length and learning rate of the training."""
    hardware: Hardware = field(default_factory=Hardware)
    """What to train on: a CPU, GPUs, several machines."""
    seed: int = 0
    """Seed of weights, order and corruption."""

    def __post_init__(self) -> None:
        require_in(self, seed=SEEDS, width=WIDTHS)


@dataclass(frozen=True, kw_only=True)
class TeacherConfig(Training):
    """Train a teacher on high-quality (HQ) skeletons or, with --see lq, the baseline on low-quality (LQ) ones."""

    network: str = "shift_gcn_teacher"
    """shift_gcn_teacher, shift_gcn_student, dense_gcn, dense_gcn_s, _m, _l or _motion; from other papers st_gcn,
    st_gcn_pp, efficient_gcn_b0, dd_net, dd_net_m or dd_net_s."""
    see: Literal["hq", "lq"] = "hq"
    """Quality of the skeletons. lq gives the baseline for a distilled student."""
    weights: Path | None = None
    """Start from a checkpoint of a public Shift-GCN release (.pt)."""


@dataclass(frozen=True, kw_only=True)
class StudentConfig(Training):
    """Distil a student that reads low-quality (LQ) skeletons from a teacher that reads high-quality (HQ) ones."""

    teacher: Path
    """Folder of the teacher's run."""
    baseline: Path | None = None
    """Folder of a run on LQ alone, to plot the gain of each class over it; by default over the teacher on LQ clips."""
    network: str = "dense_gcn"
    """dense_gcn and its sizes _s, _m, _l (made for INT8 and TensorRT), dense_gcn_motion (also reads displacements) or
    shift_gcn_student (the paper's)."""
    method: str = "paper"
    """Distillation method: paper, ours, or another of train/distillation/methods.py."""


@dataclass(frozen=True)
class AblationConfig:
    """Compare the distillation methods over several seeds, in a table with confidence intervals."""

    out: Path
    """Folder for all runs. Finished runs are not trained again."""
    data: DataConfig = field(default_factory=DataConfig)
    """The dataset."""
    drops: tuple[float, ...] = ()
    """Probabilities of dropping a joint of a frame, one table each; by default data.pairs is used as it is."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Each method is trained once per seed."""
    methods: tuple[str, ...] = tuple(METHODS)
    """Methods of train/distillation/methods.py to compare. Gains are over alone."""
    teacher: str = "dense_gcn"
    """Network of the teacher."""
    teacher_width: int = 48
    """Channels of the teacher's first units."""
    network: str = "dense_gcn"
    """Network of the students."""
    width: int = 24
    """Channels of the students' first units."""
    optimiser: Optimiser = field(default_factory=Optimiser)
    """Length and learning rate of every training."""
    hardware: Hardware = field(default_factory=lambda: Hardware(threads=1))
    """What each training runs on."""
    jobs: int = 0
    """Trainings in parallel; 0 for one per core, or a single one on a GPU."""
    page: Path | None = None
    """Markdown page whose section on this dataset is replaced."""

    def __post_init__(self) -> None:
        require_in(self, seeds=SEEDS, teacher_width=WIDTHS, width=WIDTHS, jobs="[0, inf)")
        if not self.seeds or "alone" not in self.methods:
            raise ConfigError(
                "an ablation needs seeds and the method alone, which the others are compared with",
                hint="give --seeds, such as [0, 1, 2], and include alone in --methods",
            )
        for name, values in (("drops", self.drops), ("seeds", self.seeds), ("methods", self.methods)):
            if len(set(values)) < len(values):
                raise ConfigError(f"{name} has a value twice: {', '.join(map(str, values))}", hint="give each once")
        for name in self.methods:
            method(name)
