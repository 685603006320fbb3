"""Flags that choose a dataset, apart from the readers: those import SciPy, which `--help` should not wait for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge.contract.intervals import require_in
from train.data.pairs import PairConfig


@dataclass(frozen=True)
class DataConfig:
    """Which dataset, and how pairs of clips are made from its recordings."""

    dataset: str = "kinematic"
    """penn_action, utd_mhad, ui_prmd, ntu60, ntu120, kinetics (400, ST-GCN's skeletons), nw_ucla, pyskl (an annotation
    pickle), everyday (Penn Action, UTD-MHAD and the exercises of UI-PRMD that are none of their actions), video_pairs
    (your own videos, see `python -m train pairs`), or kinematic (generated, needs no folder)."""
    folder: Path | None = None
    """Folder with the dataset's files as distributed; for pyskl, the folder of the pickle or the pickle itself."""
    clips_per_class: int = 60
    """kinematic: clips to generate per class."""
    scenes: int = 0
    """kinematic: scenes of three people and a moving camera to generate in addition."""
    pairs: PairConfig = field(default_factory=PairConfig)
    """How a recording becomes a clip for the teacher and one for the student."""
    split: str | None = None
    """Published split, for datasets with several: ntu60 xsub or xview, ntu120 xsub or xset, pyskl its name in the
    pickle (xsub for xsub_train and xsub_val). Unset: the first."""
    cache: Path | None = None
    """Folder in which parsed clips of ntu60, ntu120 and kinetics are cached: later starts take seconds, and clips are
    memory-mapped instead of loaded."""
    workers: int = 0
    """Processes that parse datasets of many files; 0 for one per core, at most 8."""

    def __post_init__(self) -> None:
        require_in(self, clips_per_class="[0, 100000]", scenes="[0, 100000]", workers="[0, inf)")
