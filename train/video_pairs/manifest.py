"""pairs.yaml: what a folder of pairs was made with, which videos it holds, and which failed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from edge.contract.errors import ConfigError, DataError
from edge.contract.files import write_text
from edge.contract.reading import read_yaml

FILE = "pairs.yaml"
FORMAT = 1
MAKE_AGAIN = "make the pairs again"


@dataclass(frozen=True)
class Manifest:
    """settings: what decides the numbers, see :func:`check_same_settings`. classes: names, in the order of the labels.

    layouts: of the good and the cheap estimator. versions: of the packages that made it. videos: by name, each
    with its class, whether it trains, its frames, those with the subject and those where the cheap estimator
    found the subject. failed: what was wrong, by name. finished: whether every video has had its turn.
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
    """Where the pair of a video lies."""
    return folder / f"{video}.npz"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``folder/pairs.yaml`` whole."""
    text = yaml.safe_dump({"format": FORMAT, **asdict(manifest)}, sort_keys=False, allow_unicode=True, width=120)
    write_text(folder / FILE, text)


def read_manifest(folder: Path) -> Manifest:
    """The folder's manifest; DataError if it is absent, damaged or of another format."""
    path = folder / FILE
    if not path.is_file():
        raise DataError(
            f"no pairs of videos here: {FILE} is missing",
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
            raise ValueError(f"{unknown[0]!r} is none of its classes")
        if not {"high", "low"} <= set(manifest.layouts):
            raise KeyError("layouts of the good and the cheap estimator")
        return manifest
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise DataError(f"not a readable manifest: {error}", where=path, hint=MAKE_AGAIN) from error


def check_same_settings(folder: Path, settings: dict[str, Any]) -> None:
    """ConfigError where the folder holds pairs that were made with other settings."""
    if not (folder / FILE).is_file():
        return
    for part, ours in settings.items():
        theirs = read_manifest(folder).settings.get(part)
        differing = next((key for key in ours if not isinstance(theirs, dict) or theirs.get(key) != ours[key]), None)
        if differing:
            raise ConfigError(
                f"the folder holds pairs made with another {part}.{differing}",
                where=folder,
                hint="give another --out, or remove the folder to start anew",
            )
