"""Datasets by name. A new dataset is a reader in train/data/readers/ and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.contract.errors import ConfigError
from edge.contract.intervals import require_in
from train.data.clip import SkeletonSet, validated
from train.data.generated.kinematic import make_kinematic
from train.data.generated.scene import scene_clips
from train.data.pairs import PairConfig
from train.data.readers.everyday import read_everyday
from train.data.readers.kinetics import read_kinetics
from train.data.readers.ntu import read_ntu60, read_ntu120
from train.data.readers.nw_ucla import read_nw_ucla
from train.data.readers.penn_action import read_penn_action
from train.data.readers.pyskl import read_pyskl
from train.data.readers.reading import ReadOptions
from train.data.readers.ui_prmd import read_ui_prmd
from train.data.readers.utd_mhad import read_utd_mhad
from train.data.readers.video_pairs import read_video_pairs
from train.video_pairs.manifest import FILE

DATASETS: dict[str, Callable[[Path, ReadOptions], SkeletonSet]] = {
    "penn_action": read_penn_action,
    "utd_mhad": read_utd_mhad,
    "ui_prmd": lambda folder, _: read_ui_prmd(folder),
    "ntu60": read_ntu60,
    "ntu120": read_ntu120,
    "kinetics": read_kinetics,
    "nw_ucla": read_nw_ucla,
    "pyskl": read_pyskl,
    "everyday": read_everyday,
    "video_pairs": lambda folder, _: read_video_pairs(folder),
}
WITH_SPLITS = ("ntu60", "ntu120", "pyskl")
"""Datasets with several published splits."""


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


def read_dataset(config: DataConfig) -> SkeletonSet:
    """Read the configured dataset; ConfigError for an unknown name, or a folder or split that does not fit it."""
    if config.dataset != "kinematic" and config.dataset not in DATASETS:
        raise ConfigError(
            f"unknown dataset {config.dataset!r}", hint=f"known datasets: {', '.join([*DATASETS, 'kinematic'])}"
        )
    if config.split is not None and config.dataset not in WITH_SPLITS:
        raise ConfigError(
            f"dataset {config.dataset} has no split {config.split!r}",
            hint="leave --data.split out: it has only one split",
        )
    if config.dataset == "kinematic":
        if config.folder is not None:
            raise ConfigError(
                "dataset kinematic is generated and reads no folder",
                where=config.folder,
                hint="name its dataset, for instance --data.dataset penn_action, or leave the folder out",
            )
        made = make_kinematic(config.clips_per_class, seed=0)
        return validated(replace(made, clips=(*made.clips, *scene_clips(config.scenes))))
    if config.folder is None:
        raise ConfigError(f"dataset {config.dataset} needs a folder", hint="give it with --data.folder")
    if config.dataset != "video_pairs" and (config.folder / FILE).is_file():
        raise ConfigError(
            f"the folder has pairs from videos, not {config.dataset}",
            where=config.folder,
            hint="give --data.dataset video_pairs (make road: DATASET=video_pairs)",
        )
    return DATASETS[config.dataset](config.folder, ReadOptions(config.split, config.cache, config.workers))
