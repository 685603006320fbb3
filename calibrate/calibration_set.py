"""Which inputs the ranges are taken from, chosen by a seed and written down."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle
from edge.contract.errors import BundleError, ConfigError, DataError
from edge.contract.files import write_json
from edge.contract.reading import read_npz
from edge.contract.types import Float32

Method = Literal["minmax", "percentile", "entropy", "mse", "margin"]
"""How an activation's range is chosen, see :mod:`calibrate.quantisation.ranges`."""
METHODS: tuple[Method, ...] = get_args(Method)
MethodOrAuto = Literal["auto", Method]
"""auto: see :mod:`calibrate.quantisation.method_choice`."""
WeightRounding = Literal["nearest", "fitted"]
"""How weights are rounded: each to its nearest step, or as :mod:`calibrate.quantisation.weight_fit` does."""


@dataclass(frozen=True)
class LabelledClips:
    """clips: (N, C, T, V, M) float32. labels: (N,) int64, index of the class. ids: (N,) int64, see load_clips."""

    clips: Float32
    labels: NDArray[np.int64]
    ids: NDArray[np.int64]


@dataclass(frozen=True)
class CalibrationRecord:
    """What ``calibration.json`` says.

    network: the quantised file. source: where the samples came from. ids: which of them, as the source numbers them.
    per_class: class index -> how many, empty for pictures. float_layers: those not in INT8.
    ranges: tensor -> r, where eight bits cover [-r, r]. weights: how they were rounded.
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

    ids: a clip's place in the split it is from; without them its place in the file.
    Raises DataError where it is absent, damaged, lacks an array, or its arrays do not fit each other.
    """
    hint = "write it with `python -m train export`"
    arrays = read_npz(path, DataError, hint)
    if lacking := [name for name in ("clips", "labels") if name not in arrays]:
        raise DataError(f"lacks an array: {lacking[0]}", where=path, hint=hint)
    clips, labels = arrays["clips"], arrays["labels"]
    if not clips.size:
        raise DataError("holds no clips", where=path, hint=hint)
    ids = arrays.get("ids", np.arange(len(np.atleast_1d(clips))))
    if clips.ndim != 5 or labels.shape != (len(clips),) or ids.shape != labels.shape:
        shapes = f"clips {clips.shape} and labels {labels.shape}"
        raise DataError(f"{shapes} do not fit (N, C, T, V, M) and (N,)", where=path, hint=hint)
    if clips.dtype.kind not in "fiu" or labels.dtype.kind not in "iu" or ids.dtype.kind not in "iu":
        kinds = f"clips are {clips.dtype}, labels {labels.dtype}, ids {ids.dtype}"
        raise DataError(f"{kinds}, which should be numbers, and whole ones", where=path, hint=hint)
    with np.errstate(over="ignore"):  # to infinity, which is refused
        clips = clips.astype(np.float32, copy=False)
    finite = np.isfinite(clips.reshape(len(clips), -1)).all(axis=1)
    if not finite.all():
        position = int(np.flatnonzero(~finite)[0])
        raise DataError(f"clip {position} holds NaN or infinite values", where=path, hint="leave it out, or " + hint)
    return LabelledClips(clips, labels.astype(np.int64), ids.astype(np.int64))


def check_clips(bundle: Bundle, given: LabelledClips, where: Path) -> LabelledClips:
    """``given`` if a bundle's student takes such clips; BundleError otherwise."""
    want = bundle.manifest.input_shape[1:]
    if given.clips.shape[1:] != want:
        raise BundleError(
            f"clips {given.clips.shape} do not fit the student's input (N, {', '.join(map(str, want))})",
            where=where,
            hint="give the arrays that were exported with this bundle",
        )
    low, high, classes = int(given.labels.min()), int(given.labels.max()), len(bundle.manifest.classes)
    if low < 0 or high >= classes:
        raise BundleError(
            f"labels go from {low} to {high}, the bundle has {classes} classes",
            where=where,
            hint="give the arrays that were exported with this bundle",
        )
    return given


def stratified(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """At most ``count`` positions in ``labels``, rising, as evenly over the classes as their sizes allow.

    No class gets two more than another that has any left. Raises ConfigError for no such count or seed.
    """
    if count < 1 or seed < 0:
        raise ConfigError(f"samples {count} and seed {seed} choose nothing; samples start at 1, seeds at 0")
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    # Rank of each clip within its class; taking by rank gives every class its first before any its second.
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        rank[members] = np.arange(len(members))
    order = shuffled[np.argsort(rank[shuffled], kind="stable")]
    return np.sort(order[:count])


def held_out(count: int, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of ``count`` clips the places of those that ranges are not taken from; of all where hardly any others are left.

    drawn: places of the clips that ranges are taken from.
    """
    left = np.setdiff1d(np.arange(count), drawn)
    return left if 8 * len(left) >= len(drawn) else np.arange(count)


def per_class(labels: NDArray[np.int64]) -> dict[str, int]:
    """Class index, as JSON's keys are text -> how many."""
    return {str(label): int(n) for label, n in zip(*np.unique(labels, return_counts=True), strict=True)}


def write_record(path: Path, record: CalibrationRecord) -> None:
    """Write ``calibration.json`` whole."""
    write_json(path, asdict(record))
