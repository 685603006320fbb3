"""Cache parsed clips on disk, so that a large dataset is parsed once and memory-mapped afterwards.

A cache is three files: ``NAME.joints`` and ``NAME.seen``, the concatenated raw arrays of all clips, and ``NAME.json``,
written last, with the clips' metadata and a fingerprint of the dataset's files (path, size, modification time). With
another fingerprint the dataset is parsed again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.cli.console import console
from edge.contract.files import atomic_write, wrap_write_errors
from train.data.clip import SkeletonClip

VERSION = 1
"""Increment it when a reader's result changes."""


def cached_clips(
    cache: Path | None, name: str, files: Sequence[Path], parse: Callable[[], Iterable[SkeletonClip]]
) -> tuple[SkeletonClip, ...]:
    """The clips of ``parse()``, from the folder ``cache`` if it is up to date; None for no cache.

    files: all files that the clips depend on. Cached clips are views of memory-mapped files. Clips must not have a
    second recording.
    """
    if cache is None:
        return tuple(parse())
    fingerprint = _fingerprint(files)
    if (found := _load(cache, name, fingerprint)) is None:
        _write(cache, name, fingerprint, parse())
        found = _load(cache, name, fingerprint)
        assert found is not None
    else:
        console.print(f"{name}: {len(found)} clips from {cache}")
    return found


def _fingerprint(files: Sequence[Path]) -> str:
    digest = hashlib.sha256(str(VERSION).encode())
    for path in files:
        about = path.stat()
        digest.update(f"{path.absolute()}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _write(cache: Path, name: str, fingerprint: str, clips: Iterable[SkeletonClip]) -> None:
    index = cache / f"{name}.json"
    with wrap_write_errors(index):
        # If this is interrupted, an old index must not refer to new arrays.
        index.unlink(missing_ok=True)
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        joints, seen = (
            stack.enter_context(stack.enter_context(atomic_write(cache / f"{name}.{part}")).open("wb"))
            for part in ("joints", "seen")
        )
        for clip in clips:
            joints.write(clip.joints.tobytes())
            seen.write(clip.seen.tobytes())
            about = {"id": clip.id, "label": clip.label, "fps": clip.fps, "train": clip.train}
            rows.append(about | {"shape": clip.joints.shape})
    with atomic_write(index) as partial:
        partial.write_text(json.dumps({"fingerprint": fingerprint, "clips": rows}), encoding="utf-8")


def _load(cache: Path, name: str, fingerprint: str) -> tuple[SkeletonClip, ...] | None:
    """Load the clips, or None if there is no complete cache with this fingerprint."""
    try:
        index = json.loads((cache / f"{name}.json").read_text(encoding="utf-8"))
        if index["fingerprint"] != fingerprint:
            return None
        if not (rows := index["clips"]):
            return ()
        joints = _mapped(cache / f"{name}.joints", np.float32, [row["shape"] for row in rows])
        seen = _mapped(cache / f"{name}.seen", np.bool_, [row["shape"][:3] for row in rows])
        return tuple(
            SkeletonClip(row["id"], int(row["label"]), one, shown, float(row["fps"]), row["train"])
            for row, one, shown in zip(rows, joints, seen, strict=True)
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None


def _mapped(path: Path, kind: type[Any], shapes: list[list[int]]) -> list[NDArray[Any]]:
    """Arrays of these shapes, one after the other in a memory-mapped file. Raises ValueError if it does not fit."""
    # Plain arrays over the mapped file: a memmap object per clip costs more than the clip.
    whole, ends = np.asarray(np.memmap(path, kind, mode="r")), np.cumsum([math.prod(shape) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(whole, ends[:-1]), shapes, strict=True)]
