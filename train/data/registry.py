"""Datasets by name. A new dataset is a reader in train/data/readers/ and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edge.contract.errors import ConfigError
from train.data.clip import SkeletonSet, validated
from train.data.configuration import DataConfig
from train.data.generated.kinematic import make_kinematic
from train.data.generated.scene import scene_clips
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
