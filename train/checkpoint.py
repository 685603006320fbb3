"""Checkpoints: one file per run, from which training resumes exactly and the network is rebuilt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge.cli.console import print_warning
from edge.contract.errors import ConfigError, DataError
from edge.contract.fields import read_fields
from edge.contract.layouts import layout
from train.data.configuration import DataConfig
from train.data.pairs import pair_config
from train.networks.registry import build
from train.torch_file import LOAD_ERRORS, checked, refuse_other_version, write_torch

FILE = "checkpoint.pt"
REQUIRED = {
    **dict.fromkeys(("network", "layout", "source"), str),
    **dict.fromkeys(("width", "bodies", "clips_per_class", "scenes", "seed"), int),
    "classes": list,
}
"""Keys of ``about``, with the types of their values, that a student or an export needs beside pairs and optimiser."""
VALIDATION = "validation"
"""Key of the accuracy on held-out clips in a run's history."""


@dataclass(frozen=True)
class Checkpoint:
    """The content of ``checkpoint.pt``.

    about: network, data and settings. network, extra, optimiser: states of the run's parts. average: moving average of
    the weights, empty if none is kept. best: the weights to use so far: the last ones or their average, with early
    stopping those of the best epoch. Random number generators have no state here: they are seeded from the seed, the
    epoch and the position in it.
    """

    about: dict[str, Any]
    network: dict[str, Any]
    extra: dict[str, Any]
    optimiser: dict[str, Any]
    average: dict[str, Any]
    best: dict[str, Any]
    history: list[dict[str, float]]

    def require_same_settings(self, about: dict[str, Any], folder: Path) -> None:
        """Raise ConfigError unless this checkpoint comes from a run with the same settings."""
        if differing := _first_difference(self.about, about):
            raise ConfigError(
                f"the folder contains a run with another {differing}",
                where=folder,
                hint="give another --out, or remove the folder to start again",
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
        """16 hexadecimal digits of the SHA-256 of the weights in use, to tell trainings apart."""
        digest = hashlib.sha256()
        for name, value in sorted(self.best.items()):
            digest.update(name.encode())
            digest.update(value.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def training_summary(self) -> dict[str, Any]:
        """How the network was trained, for the manifest of a bundle."""
        keys = ("dataset", "split", "network", "width", "method", "losses", "combine", "seed")
        return {key: self.about.get(key) for key in keys} | {"epochs": len(self.history)}


def build_network(about: dict[str, Any]) -> nn.Module:
    """The untrained network that ``about`` describes."""
    classes, joints = len(about["classes"]), layout(about["layout"])
    return build(about["network"], classes=classes, layout=joints, bodies=about["bodies"], width=about["width"])


def _first_difference(theirs: dict[str, Any], ours: dict[str, Any]) -> str | None:
    """The first key with another value, dotted if nested; a missing key has the value None."""
    for key in ours | theirs:
        here, there = ours.get(key), theirs.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            if within := _first_difference(there, here):
                return f"{key}.{within}"
        elif here != there:
            return key
    return None


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``folder/checkpoint.pt`` atomically."""
    write_torch(folder / FILE, vars(checkpoint))


def load_trained(folder: Path) -> Checkpoint:
    """Load the checkpoint of a run that a student or an export is made from.

    Warns if the run was interrupted. Raises DataError if another version wrote it, without a key of REQUIRED or with a
    setting of clips that this one does not know.
    """
    checkpoint = load_checkpoint(folder)
    with refuse_other_version(folder / FILE):
        about = {"scenes": 0, **checkpoint.about}  # runs from before this setting existed lack it
        if wrong := [name for name, kind in REQUIRED.items() if not isinstance(about[name], kind)]:
            raise TypeError(f"{wrong[0]} is {about[wrong[0]]!r}")
        settings = checkpoint.about["optimiser"]
        epochs, patience = settings["epochs"], settings["patience"]
        DataConfig(clips_per_class=about["clips_per_class"], scenes=about["scenes"], pairs=pair_config(about["pairs"]))
    trained = len(checkpoint.history)
    if trained < epochs and not should_stop_early(checkpoint.history, patience):
        print_warning(f"{folder}: only {trained} of {epochs} epochs are trained; repeat its command to train the rest")
    return checkpoint


def should_stop_early(history: list[dict[str, float]], patience: int) -> bool:
    """Whether none of the last ``patience`` epochs was better on held-out clips than the best one before them."""
    scores = [epoch[VALIDATION] for epoch in history if VALIDATION in epoch]
    return 0 < patience < len(scores) and max(scores[-patience:]) <= max(scores[:-patience])


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a run's checkpoint. Raises DataError if it is absent or damaged."""
    path = folder / FILE
    if not path.is_file():
        raise DataError("no trained run here: checkpoint.pt is missing", where=folder, hint="give a run's --out folder")
    refused = partial(DataError, where=path, hint="remove it and train again")
    try:
        raw = torch.load(checked(path), map_location="cpu", weights_only=True)
        checkpoint = read_fields(Checkpoint, raw, refused)
        # Runs from before this setting existed interpolated linearly.
        checkpoint.about.get("pairs", {}).get("preprocessing", {}).setdefault("between", "line")
        return checkpoint
    except LOAD_ERRORS as error:
        raise refused(f"not a readable checkpoint: {error}") from error
