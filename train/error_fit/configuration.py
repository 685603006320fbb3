"""Flags of ``python -m train fit-errors``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.contract.errors import ConfigError
from edge.contract.intervals import require_in


@dataclass(frozen=True)
class FitErrorsConfig:
    """Fit the errors of the cheap estimator in pairs of `train pairs`, to corrupt other skeletons in the same way."""

    pairs: Path
    """Folder written by `python -m train pairs`."""
    out: Path
    """YAML file to write, for --data.pairs.fitted_errors. A PNG of the fit is written beside it."""
    layout: str | None = None
    """Joint layout of the clips to corrupt. Unset: the cheap estimator's."""
    fps: float = 15.0
    """Frame rate at which errors are measured; best that of the clips to corrupt."""

    def __post_init__(self) -> None:
        require_in(self, fps="(0, inf]")
        if self.out.suffix not in (".yaml", ".yml"):
            raise ConfigError(f"{self.out} is not a YAML file", hint="give --out a name that ends in .yaml")
