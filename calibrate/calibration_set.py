"""Load and choose calibration clips, reproducibly by seed, and record the calibration in ``calibration.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle
from edge.contract.errors import BundleError, ConfigError, DataError
from edge.contract.reading import read_npz
from edge.contract.types import Float32

Method = Literal["minmax", "percentile", "entropy", "mse", "margin"]
"""How an activation's range is chosen, see :mod:`calibrate.quantisation.ranges`."""
METHODS: tuple[Method, ...] = get_args(Method)
MethodOrAuto = Literal["auto", Method]
"""auto: see :mod:`calibrate.quantisation.method_choice`."""
WeightRounding = Literal["nearest", "fitted"]
"""nearest: each weight to its nearest level. fitted: see :mod:`calibrate.quantisation.weight_fit`."""


@dataclass(frozen=True)
class LabelledClips:
    """clips: (N, C, T, V, M) float32. labels: (N,) int64, index of the class. ids: (N,) int64, see load_clips."""

    clips: Float32
    labels: NDArray[np.int64]
    ids: NDArray[np.int64]


@dataclass(frozen=True)
class CalibrationRecord:
    """The contents of ``calibration.json``.

    network: name of the quantised file. source: name of the file or folder of samples. ids: the samples used, as the
    source numbers them. per_class: class index -> number of samples, empty for images. float_layers: those not in
    INT8. ranges: tensor -> r, where INT8 covers [-r, r]. weights: how they were rounded.
    """

    network: str
    source: str
    method: str
    seed: int
    ids: list[int]
    per_class: dict[str, int]
    float_layers: list[str]
    ranges: dict[str, float]
    weights: WeightRounding = "nearest"


def load_clips(path: Path) -> LabelledClips:
    """Read an .npz with ``clips``, ``labels`` and ``ids``, as ``python -m train export`` writes it.

    ids: each clip's index in its split; if absent, its index in the file.
    Raises DataError if the file is absent or damaged, lacks an array, or its arrays do not match.
    """
    hint = "write it with `python -m train export`"
    arrays = read_npz(path, DataError, hint)
    if lacking := [name for name in ("clips", "labels") if name not in arrays]:
        raise DataError(f"has no array {lacking[0]}", where=path, hint=hint)
    clips, labels = arrays["clips"], arrays["labels"]
    if not clips.size:
        raise DataError("contains no clips", where=path, hint=hint)
    ids = arrays.get("ids", np.arange(len(np.atleast_1d(clips))))
    if clips.ndim != 5 or labels.shape != (len(clips),) or ids.shape != labels.shape:
        shapes = f"clips {clips.shape} and labels {labels.shape}"
        raise DataError(f"{shapes} are not (N, C, T, V, M) and (N,)", where=path, hint=hint)
    if clips.dtype.kind not in "fiu" or labels.dtype.kind not in "iu" or ids.dtype.kind not in "iu":
        kinds = f"clips are {clips.dtype}, labels {labels.dtype}, ids {ids.dtype}"
        raise DataError(f"{kinds}; clips must be numbers, labels and ids integers", where=path, hint=hint)
    with np.errstate(over="ignore"):  # overflow to infinity is refused below
        clips = clips.astype(np.float32, copy=False)
    finite = np.isfinite(clips.reshape(len(clips), -1)).all(axis=1)
    if not finite.all():
        position = int(np.flatnonzero(~finite)[0])
        raise DataError(f"clip {position} contains NaN or infinite values", where=path, hint="leave it out, or " + hint)
    return LabelledClips(clips, labels.astype(np.int64), ids.astype(np.int64))


def clips_for(bundle: Bundle, path: Path) -> LabelledClips:
    """See ``load_clips``. Raises BundleError unless the bundle's student accepts such clips and has these classes."""
    given = load_clips(path)
    want, classes = bundle.manifest.input_shape[1:], len(bundle.manifest.classes)
    low, high = given.labels.min(), given.labels.max()
    if given.clips.shape[1:] != want:
        what = f"clips {given.clips.shape} do not fit the student's input (N, {', '.join(map(str, want))})"
    elif low < 0 or high >= classes:
        what = f"labels range from {low} to {high}, the bundle has {classes} classes"
    else:
        return given
    raise BundleError(what, where=path, hint="give the arrays that were exported with this bundle")


def stratified(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Draw at most ``count`` positions in ``labels``, sorted, as evenly over the classes as their sizes allow.

    No class gets two more than another that has any left. Raises ConfigError for a count below 1 or seed below 0.
    """
    if count < 1 or seed < 0:
        raise ConfigError(f"samples {count} and seed {seed} are out of range; samples start at 1, seeds at 0")
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    # Rank of each clip within its class: taken by rank, every class gets its first clip before any gets its second.
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        rank[members] = np.arange(len(members))
    order = shuffled[np.argsort(rank[shuffled], kind="stable")]
    return np.sort(order[:count])


def held_out(count: int, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of the clips that ranges are not taken from, or of all clips if too few are left.

    drawn: positions of the clips that ranges are taken from; an eighth as many others are enough.
    """
    left = np.setdiff1d(np.arange(count), drawn)
    return left if 8 * len(left) >= len(drawn) else np.arange(count)


def per_class(labels: NDArray[np.int64]) -> dict[str, int]:
    """Return class index (as text, for JSON) -> number of clips."""
    return {str(label): int(n) for label, n in zip(*np.unique(labels, return_counts=True), strict=True)}
