"""Read labelled clips, or labelled recordings, which become clips as in the loop."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle
from edge.contract.errors import DataError
from edge.contract.reading import read_npz
from edge.contract.types import Float32
from edge.recognition.clip_buffer import ClipBuffer

HINT = "give clips and labels, or keypoints, times_s, length and labels: see `python -m edge bench accuracy --help`"
EXPORT_AGAIN = "export the clips for this bundle"


def labelled_clips(path: Path, bundle: Bundle) -> tuple[Float32, NDArray[np.int64]]:
    """Clips (N, C, T, V, M) and labels (N,) of an .npz file.

    The file has ``clips``, as `python -m train export` writes them, or recordings: ``keypoints`` (sum of length, V, 3)
    in pixels with scores, in the bundle's layout, ``times_s`` (sum of length,) and ``length`` (N,). Recordings are
    pushed into the loop's clip buffer frame by frame. Bodies that clips lack are zero.
    Raises DataError for a file that is damaged or does not fit.
    """
    return labelled(read_npz(path, DataError, HINT), bundle, path)


def labelled(arrays: Mapping[str, NDArray[Any]], bundle: Bundle, path: Path) -> tuple[Float32, NDArray[np.int64]]:
    """The same of arrays that were read from ``path``."""
    clips, labels = _clips(arrays, bundle, path), arrays.get("labels", np.zeros(0, np.int64))
    classes, refused = len(bundle.manifest.classes), partial(DataError, where=path, hint=EXPORT_AGAIN)
    if labels.shape != (len(clips),) or labels.dtype.kind not in "iu":
        found = f"labels are {labels.dtype} {labels.shape}"
        raise refused(f"{found}, which do not fit {len(clips)} clips: give whole numbers (N,)")
    if labels.min() < 0 or labels.max() >= classes:
        raise refused(f"labels range from {labels.min()} to {labels.max()} for {classes} classes")
    return clips, labels.astype(np.int64)


def unlabelled_clips(path: Path, bundle: Bundle) -> Float32:
    """Clips (N, C, T, V, M) of such a file, without its labels. Raises DataError as :func:`labelled_clips`."""
    return _clips(read_npz(path, DataError, HINT), bundle, path)


def _clips(arrays: Mapping[str, NDArray[Any]], bundle: Bundle, path: Path) -> Float32:
    clips = arrays["clips"] if "clips" in arrays else _from_recordings(arrays, bundle, path)
    expected, refused = bundle.manifest.input_shape[1:], partial(DataError, where=path, hint=EXPORT_AGAIN)
    fits = clips.ndim == 5 and clips.shape[1:4] == expected[:3] and 1 <= clips.shape[4] <= expected[3]
    if not fits or not len(clips) or clips.dtype.kind not in "fiu":
        raise refused(f"clips are {clips.dtype} {clips.shape}, which do not fit (N, {', '.join(map(str, expected))})")
    with np.errstate(over="ignore"):  # an overflow gives infinity, which is refused below
        found: Float32 = clips.astype(np.float32, copy=False)
    finite = np.isfinite(found).all(axis=(1, 2, 3, 4))
    if not finite.all():
        raise refused(f"clip {finite.argmin()} contains NaN, infinite or too large values")
    lacking = expected[3] - found.shape[4]
    return np.pad(found, [*[(0, 0)] * 4, (0, lacking)]) if lacking else found


def _from_recordings(arrays: Mapping[str, NDArray[Any]], bundle: Bundle, path: Path) -> Float32:
    refused = partial(DataError, where=path, hint=HINT)
    if not {"keypoints", "times_s", "length"} <= arrays.keys():
        raise refused(f"the file has {', '.join(arrays) or 'no arrays'}")
    keypoints, times, lengths = arrays["keypoints"], arrays["times_s"], arrays["length"]
    joints = len(bundle.layout)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not len(lengths) or lengths.min() < 1:
        raise refused("length is not a list of frame counts from 1")
    ends = np.cumsum(lengths, dtype=np.int64)
    numbers = all(array.dtype.kind in "fiu" for array in (keypoints, times))
    if not numbers or keypoints.shape != (ends[-1], joints, 3) or times.shape != (ends[-1],):
        raise refused(
            f"keypoints {keypoints.shape} and times {times.shape} do not fit lengths of {ends[-1]} frames "
            f"and the {joints} joints of {bundle.layout.name}"
        )
    clips = []
    for end, length in zip(ends.tolist(), lengths.tolist(), strict=True):
        buffer = ClipBuffer(bundle.layout, bundle.manifest.preprocessing)
        for frame in range(end - length, end):
            buffer.push(keypoints[frame].astype(np.float32), float(times[frame]))
        clips.append(buffer.clip())
    return np.stack(clips)
