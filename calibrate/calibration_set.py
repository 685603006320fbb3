"""Load and choose calibration clips, reproducibly by seed, and record the calibration in ``calibration.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edge.contract.bundle import Bundle
from edge.contract.errors import ConfigError, DataError
from edge.contract.reading import read_npz
from edge.contract.types import Float32
from edge.recognition.labelled_clips import EXPORT_AGAIN, HINT, labelled

Method = Literal["minmax", "percentile", "entropy", "mse", "margin"]
"""How an activation's range is chosen, see :mod:`calibrate.quantisation.ranges`."""
METHODS: tuple[Method, ...] = get_args(Method)
MethodOrAuto = Literal["auto", Method]
"""auto: see :mod:`calibrate.quantisation.method_choice`."""
WeightRounding = Literal["nearest", "fitted"]
"""nearest: each weight to its nearest level. fitted: see :mod:`calibrate.quantisation.weight_fit`."""


@dataclass(frozen=True)
class LabelledClips:
    """clips: (N, C, T, V, M) float32. labels: (N,) int64, index of the class. ids: (N,) int64, see clips_for."""

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


def clips_for(bundle: Bundle, path: Path) -> LabelledClips:
    """Read an .npz with ``clips``, ``labels`` and ``ids``, as ``python -m train export`` writes it.

    ids: each clip's index in its split; if absent, its index in the file.
    Raises DataError if the file is absent or damaged, or its arrays do not fit the bundle or each other.
    """
    arrays = read_npz(path, DataError, HINT)
    clips, labels = labelled(arrays, bundle, path)
    ids = arrays.get("ids", np.arange(len(clips)))
    if ids.shape != labels.shape or ids.dtype.kind not in "iu":
        what = f"ids are {ids.dtype} {ids.shape}, which do not fit {len(clips)} clips"
        raise DataError(what, where=path, hint=EXPORT_AGAIN)
    return LabelledClips(clips, labels, ids.astype(np.int64))


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
