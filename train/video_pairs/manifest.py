"""pairs.yaml: the settings of a folder of pairs, its videos, and those that failed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from edge.contract.errors import ConfigError, DataError
from edge.contract.fields import read_fields
from edge.contract.files import write_text
from edge.contract.layouts import LAYOUTS
from edge.contract.reading import read_yaml

FILE = "pairs.yaml"
FORMAT = 1
MAKE_AGAIN = "make the pairs again"


@dataclass(frozen=True)
class Manifest:
    """settings: all that the poses depend on, see :func:`check_same_settings`. classes: names in the order of labels.

    layouts: of the good ("high") and the cheap ("low") estimator. versions: of the packages used. videos: by name, with
    class, train, frames, seen and matched (see VideoResult). failed: error by name of the video. finished: whether all
    videos were processed.
    """

    settings: dict[str, Any]
    classes: list[str]
    layouts: dict[str, str]
    versions: dict[str, str]
    split: str
    subject: str
    finished: bool = False
    videos: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def pair_file(folder: Path, video: str) -> Path:
    """Path of the pair of a video."""
    return folder / f"{video}.npz"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``folder/pairs.yaml`` atomically."""
    text = yaml.safe_dump({"format": FORMAT, **asdict(manifest)}, sort_keys=False, allow_unicode=True, width=120)
    write_text(folder / FILE, text)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest. Raises DataError if it is absent, damaged or of another format."""
    path = folder / FILE
    if not path.is_file():
        raise DataError(f"no pairs here: {FILE} is missing", where=folder, hint="give the folder that make pairs wrote")
    refused, raw = partial(DataError, where=path, hint=MAKE_AGAIN), read_yaml(path, DataError, MAKE_AGAIN)
    if raw.pop("format", None) != FORMAT:
        raise refused(f"not of format {FORMAT}")
    manifest = read_fields(Manifest, raw, refused)
    if set(manifest.layouts) != {"high", "low"} or not set(manifest.layouts.values()) <= set(LAYOUTS):
        raise refused(f"layouts must be high and low, each one of {', '.join(LAYOUTS)}")
    for name, entry in manifest.videos.items():
        kinds = {"class": str, "train": bool, "frames": int}
        if wrong := [key for key, kind in kinds.items() if not isinstance(entry.get(key), kind)]:
            raise refused(f"videos.{name} has no valid {wrong[0]}")
        if entry["class"] not in manifest.classes:
            raise refused(f"{entry['class']!r}, the class of {name}, is not one of its classes")
    return manifest


def check_same_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Raise ConfigError if the folder contains pairs made with other settings."""
    if not (folder / FILE).is_file():
        return
    known = read_manifest(folder).settings
    for part, ours in settings.items():
        theirs = known.get(part)
        differing = next((key for key in ours if not isinstance(theirs, dict) or theirs.get(key) != ours[key]), None)
        if differing:
            raise ConfigError(
                f"the folder contains pairs made with another {part}.{differing}",
                where=folder,
                hint="give another --out, or remove the folder to start again",
            )
