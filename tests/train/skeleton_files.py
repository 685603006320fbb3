"""Write datasets in their text formats, with made-up numbers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Body = np.ndarray
"""(25, 3) metres."""


def standing(x: float = 0.0, seed: int = 0) -> Body:
    """Twenty-five points around a position 3 m away."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (25, 3)) + np.array([x, 0.2, 3.0])


def write_ntu(path: Path, frames: Sequence[Sequence[Body]], tracked: int = 2) -> Path:
    """Write a .skeleton file from the bodies of each frame."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for number, body in enumerate(bodies):
            lines += [f"7205759403793110{number} 0 1 1 1 1 0 0.02764709 0.05745083 2", str(len(body))]
            lines += [
                f"{x:.7f} {y:.7f} {z:.7f} 277.419 191.8218 1036.233 519.1677 -0.2059 0.0535 0.9692 -0.1239 {tracked}"
                for x, y, z in body
            ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\r\n".join(lines) + "\r\n")
    return path


def person(x: float, y: float, score: float) -> dict[str, list[float]]:
    """A pose of OpenPose's 18 joints around a position, as fractions of the image."""
    spots = np.random.default_rng(1).uniform(-0.05, 0.05, (18, 2)) + np.array([x, y])
    return {"pose": spots.round(3).ravel().tolist(), "score": [score] * 18}


def write_kinetics(folder: Path, clips: dict[str, list[dict[str, Any]]], part: str = "val") -> Path:
    """Write clips (lists of frames) and their label file, and an empty other part."""
    for name in ("train", "val"):
        (folder / f"kinetics_{name}").mkdir(parents=True, exist_ok=True)
        labels = folder / f"kinetics_{name}_label.json"
        if name != part and not labels.exists():
            labels.write_text("{}")
    about = {}
    for number, (clip, frames) in enumerate(clips.items()):
        label = {"label": f"action {number}", "label_index": number}
        (folder / f"kinetics_{part}" / f"{clip}.json").write_text(json.dumps({"data": frames, **label}))
        about[clip] = {"has_skeleton": True, **label}
    (folder / f"kinetics_{part}_label.json").write_text(json.dumps(about))
    return folder
