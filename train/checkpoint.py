"""Checkpoints: everything a run needs to go on exactly where it stopped, and to rebuild its network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge.cli.console import print_warning
from edge.contract.errors import ConfigError, DataError
from edge.contract.files import atomic_write
from edge.contract.layouts import layout
from train.networks.registry import build
from train.torch_file import DAMAGED, refuse_other_version, unchanged

FILE = "checkpoint.pt"
BUILT_UPON = ("network", "width", "classes", "layout", "bodies", "pairs", "seed", "optimiser")
"""What must be known of a run for others to build upon it."""


@dataclass(frozen=True)
class Checkpoint:
    """One file per run: ``about`` says network, data and settings; the rest are states of the run's parts.

    average: the running average of the weights, empty where none is kept. best: what is used of the run, as
    far as it went: the last weights (or their average), with early stopping those of the best epoch.
    No state of random numbers is needed: they depend on the seed, the epoch and the place in it.
    """

    about: dict[str, Any]
    network: dict[str, Any]
    extra: dict[str, Any]
    optimiser: dict[str, Any]
    average: dict[str, Any]
    best: dict[str, Any]
    history: list[dict[str, float]]

    def refuse_other(self, about: dict[str, Any], folder: Path) -> None:
        """ConfigError unless this checkpoint comes from a run with the same settings."""
        if differing := _first_difference(self.about, about):
            raise ConfigError(
                f"the folder holds a run with another {differing}",
                where=folder,
                hint="give another --out, or remove the folder to start anew",
            )

    def rebuild(self, folder: Path) -> nn.Module:
        """Build the network and load its trained weights, in evaluation mode.

        Raises DataError, which names the checkpoint in ``folder``, if the weights do not fit this version's network.
        """
        with refuse_other_version(folder / FILE):
            network = build_network(self.about)
            network.load_state_dict(self.best)
        return network.eval()

    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the weights in use: another training, another name."""
        digest = hashlib.sha256()
        for name, value in sorted(self.best.items()):
            digest.update(name.encode())
            digest.update(value.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def training(self) -> dict[str, Any]:
        """What a bundle says of how it was trained, for people."""
        told = ("dataset", "split", "network", "width", "method", "losses", "combine", "seed")
        return {key: self.about.get(key) for key in told} | {"epochs": len(self.history)}


def build_network(about: dict[str, Any]) -> nn.Module:
    """The untrained network that ``about`` describes."""
    return build(
        about["network"],
        classes=len(about["classes"]),
        layout=layout(about["layout"]),
        bodies=about["bodies"],
        width=about["width"],
    )


def _first_difference(theirs: dict[str, Any], ours: dict[str, Any], within: str = "") -> str | None:
    """The first key of ``ours`` with another value in ``theirs``, dotted where it is nested."""
    for key, value in ours.items():
        there = theirs.get(key)
        if there != value:
            if isinstance(value, dict) and isinstance(there, dict):
                return _first_difference(there, value, f"{within}{key}.") or f"{within}{key}"
            return f"{within}{key}"
    return None


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``folder/checkpoint.pt`` whole."""
    with atomic_write(folder / FILE) as partial:
        torch.save({f.name: getattr(checkpoint, f.name) for f in fields(checkpoint)}, partial)


def load_trained(folder: Path) -> Checkpoint:
    """As load_checkpoint, of a run that is built upon: a warning where it was stopped before its end, DataError where
    a version wrote it that did not note what is needed.

    Of a run that may stop early by itself nobody can tell.
    """
    checkpoint = load_checkpoint(folder)
    with refuse_other_version(folder / FILE):
        settings = {name: checkpoint.about[name] for name in BUILT_UPON}["optimiser"]
        epochs, patience = settings["epochs"], settings["patience"]
    trained = len(checkpoint.history)
    if trained < epochs and not patience:
        print_warning(f"{folder}: {trained} of {epochs} epochs are trained; the command that began it trains the rest")
    return checkpoint


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a run's checkpoint; DataError if it is absent or damaged."""
    path = folder / FILE
    if not path.is_file():
        raise DataError("no trained run here: checkpoint.pt is missing", where=folder, hint="give a run's --out folder")
    try:
        checkpoint = Checkpoint(**torch.load(unchanged(path), map_location="cpu", weights_only=True))
        # A checkpoint that says nothing of it is of a run whose joints lay on lines.
        checkpoint.about.get("pairs", {}).get("preprocessing", {}).setdefault("between", "line")
        return checkpoint
    except DAMAGED as error:
        raise DataError(f"not a readable checkpoint: {error}", where=path, hint="remove it and train again") from error
