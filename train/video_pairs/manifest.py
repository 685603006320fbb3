"""pairs.yaml: the settings of a folder of pairs, its videos, and those that failed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from edge.contract.errors import ConfigError, DataError
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
        raise DataError(
            f"no pairs here: {FILE} is missing",
            where=folder,
            hint="give the folder that make pairs wrote with --data.folder",
        )
    try:
        raw = read_yaml(path, DataError, MAKE_AGAIN)
        if raw.pop("format") != FORMAT:
            raise DataError(f"not of format {FORMAT}", where=path, hint=MAKE_AGAIN)
        manifest = Manifest(**raw)
        if not all({"class", "train", "frames"} <= set(entry) for entry in manifest.videos.values()):
            raise KeyError("class, train or frames of a video")
        if unknown := [entry["class"] for entry in manifest.videos.values() if entry["class"] not in manifest.classes]:
            raise ValueError(f"{unknown[0]!r} is not one of its classes")
        layouts = manifest.layouts["high"], manifest.layouts["low"]
        if not isinstance(manifest.settings, dict) or not set(layouts) <= set(LAYOUTS):
            raise ValueError("settings, or layouts of the good and the cheap estimator")
        return manifest
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise DataError(f"not a readable manifest: {error}", where=path, hint=MAKE_AGAIN) from error


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
