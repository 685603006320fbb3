"""What a training leaves beside its file when it is broken off, so that the same command goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edge.contract.errors import ConfigError, DataError
from edge.contract.files import atomic_write
from train.torch_file import LOAD_ERRORS, checked


@dataclass(frozen=True)
class BrokenOff:
    """``of.training.pt`` beside ``of``. about: settings and digests; a training of others is not gone on with."""

    of: Path
    about: dict[str, Any]

    @property
    def path(self) -> Path:
        return self.of.with_suffix(".training.pt")

    def read(self) -> dict[str, Any] | None:
        """The state that was kept last, None where there is none.

        Raises ConfigError for one of other settings or files, DataError for a damaged one.
        """
        if not self.path.is_file():
            return None
        try:
            kept = torch.load(checked(self.path), map_location="cpu", weights_only=True)
            about, state = kept["about"], dict(kept["state"])
        except LOAD_ERRORS as error:
            raise DataError(
                f"not a training that can be gone on with: {error}", where=self.path, hint="remove it to start anew"
            ) from error
        if differing := [name for name, value in self.about.items() if about.get(name) != value]:
            raise ConfigError(
                f"a training of another {differing[0]} was broken off here",
                where=self.path,
                hint="give its settings to go on, or remove it to start anew",
            )
        return state

    def keep(self, state: dict[str, Any]) -> None:
        """Write it whole."""
        with atomic_write(self.path) as partial:
            torch.save({"about": self.about, "state": state}, partial)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
