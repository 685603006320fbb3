"""Checkpoints: everything a run needs to go on exactly where it stopped, and to rebuild its network."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge.contract.errors import ConfigError, DataError
from edge.contract.files import replacing
from edge.contract.layouts import layout
from train.networks.registry import build

FILE = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """One file per run. about: network, data and settings; the rest are states of the run's parts."""

    about: dict[str, Any]
    network: dict[str, Any]
    extra: dict[str, Any]
    optimiser: dict[str, Any]
    random: dict[str, Any]
    history: list[dict[str, float]]

    def refuse_other(self, about: dict[str, Any], folder: Path) -> None:
        """ConfigError unless this checkpoint comes from a run with the same settings."""
        for key, value in about.items():
            if self.about.get(key) != value:
                raise ConfigError(
                    f"the folder holds a run with another {key}",
                    where=folder,
                    hint="give another --out, or remove the folder to start anew",
                )

    def rebuild(self) -> nn.Module:
        """The network with its trained weights, in evaluation mode."""
        about = self.about
        network = build(
            about["network"],
            classes=len(about["classes"]),
            layout=layout(about["layout"]),
            bodies=about["bodies"],
            width=about["width"],
        )
        network.load_state_dict(self.network)
        return network.eval()


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``folder/checkpoint.pt`` whole."""
    with replacing(folder / FILE) as partial:
        torch.save({f.name: getattr(checkpoint, f.name) for f in fields(checkpoint)}, partial)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a run's checkpoint; DataError if it is absent or damaged."""
    path = folder / FILE
    if not path.is_file():
        raise DataError("no trained run here: checkpoint.pt is missing", where=folder, hint="give a run's --out folder")
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, KeyError, OSError) as error:
        raise DataError(f"not a readable checkpoint: {error}", where=path, hint="remove it and train again") from error
