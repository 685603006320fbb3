"""The state of an interrupted training, saved beside the file that it trains, so that the same command resumes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edge.contract.errors import ConfigError, DataError
from edge.contract.files import atomic_write
from train.torch_file import LOAD_ERRORS, checked


@dataclass(frozen=True)
class ResumeFile:
    """``network.training.pt`` beside ``network``. about: settings and checksums, which must be equal to resume."""

    network: Path
    about: dict[str, Any]

    @property
    def path(self) -> Path:
        return self.network.with_suffix(".training.pt")

    def load(self) -> dict[str, Any] | None:
        """The state saved last, or None.

        Raises ConfigError if it was saved with other settings or files, DataError if it is damaged.
        """
        if not self.path.is_file():
            return None
        try:
            saved = torch.load(checked(self.path), map_location="cpu", weights_only=True)
            about, state = saved["about"], dict(saved["state"])
        except LOAD_ERRORS as error:
            raise DataError(
                f"cannot resume from this file: {error}", where=self.path, hint="remove it to start again"
            ) from error
        if differing := [name for name, value in self.about.items() if about.get(name) != value]:
            raise ConfigError(
                f"a training with another {differing[0]} was interrupted here",
                where=self.path,
                hint="give its settings to resume it, or remove this file to start again",
            )
        return state

    def save(self, state: dict[str, Any]) -> None:
        with atomic_write(self.path) as partial:
            torch.save({"about": self.about, "state": state}, partial)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
