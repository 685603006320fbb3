"""Write plots as PNG files."""

from __future__ import annotations

from pathlib import Path

import cv2

from edge.contract.files import atomic_write
from edge.contract.types import Image


def write_png(path: Path, image: Image) -> None:
    """Write (H, W, 3) uint8 BGR as PNG, whatever the suffix. Raises OutputError if the system refuses."""
    with atomic_write(path) as partial:
        partial.write_bytes(cv2.imencode(".png", image)[1].tobytes())
