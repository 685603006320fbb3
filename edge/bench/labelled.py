"""Labelled clips, or labelled recordings that become clips as they do in the loop."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle
from edge.contract.errors import DataError
from edge.contract.types import Float32
from edge.recognition.clip_buffer import ClipBuffer

HINT = "give clips and labels, or keypoints, times_s, length and labels: see `python -m edge bench accuracy --help`"


def labelled_clips(path: Path, bundle: Bundle) -> tuple[Float32, NDArray[np.int64]]:
    """Clips (N, C, T, V, M) and labels (N,).

    The .npz holds ``clips`` as `python -m train export` writes them, or recordings: ``keypoints`` (sum of length, V, 3)
    in pixels with scores, of the bundle's layout, ``times_s`` (sum of length,) and ``length`` (N,). Those are pushed
    into the loop's own clip buffer frame by frame. Raises DataError for a file that is damaged or does not fit.
    """
    arrays = _read(path)
    labels = np.asarray(arrays.get("labels", np.zeros(0)))
    clips = arrays["clips"] if "clips" in arrays else _from_recordings(arrays, bundle, path)
    classes, wanted = len(bundle.manifest.classes), bundle.manifest.input_shape[1:]
    if not len(clips) or labels.shape != (len(clips),) or clips.ndim != 5 or clips.shape[1:4] != wanted[:3]:
        raise DataError(
            f"clips {clips.shape} and labels {labels.shape} do not fit (N, {', '.join(map(str, wanted))}) and (N,)",
            where=path,
            hint="export the clips for this bundle",
        )
    if labels.min() < 0 or labels.max() >= classes or not np.isfinite(clips).all():
        raise DataError(
            f"labels go from {labels.min()} to {labels.max()} for {classes} classes, or clips are not finite",
            where=path,
            hint="export the clips for this bundle",
        )
    return clips.astype(np.float32, copy=False), labels.astype(np.int64)


def _from_recordings(arrays: Mapping[str, NDArray[Any]], bundle: Bundle, path: Path) -> Float32:
    if not {"keypoints", "times_s", "length"} <= arrays.keys():
        raise DataError(f"it holds {', '.join(arrays) or 'nothing'}", where=path, hint=HINT)
    keypoints, times, lengths = arrays["keypoints"], arrays["times_s"], arrays["length"]
    joints, ends = len(bundle.layout), np.cumsum(lengths)
    if not len(lengths) or lengths.min() < 1 or keypoints.shape != (ends[-1], joints, 3) or len(times) != ends[-1]:
        raise DataError(
            f"keypoints {keypoints.shape} and times {times.shape} do not fit lengths of {lengths.sum()} frames "
            f"and the {joints} joints of {bundle.layout.name}",
            where=path,
            hint=HINT,
        )
    clips = []
    for end, length in zip(ends, lengths, strict=True):
        buffer = ClipBuffer(bundle.layout, bundle.manifest.preprocessing)
        for frame in range(end - length, end):
            buffer.push(keypoints[frame].astype(np.float32), float(times[frame]))
        clips.append(buffer.clip())
    return np.stack(clips)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream, np.load(stream) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError("is absent or damaged", where=path, hint=HINT) from error
