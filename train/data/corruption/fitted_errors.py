"""An error model fitted to a real pose estimator, and its application to clean skeletons.

Each joint has a constant bias per clip and first-order autoregressive (AR(1)) Gaussian noise. Left/right pairs are
swapped, single joints missed and the whole body lost in bursts of two-state Markov chains. Sizes are in torso lengths
and times in seconds, so that the model applies at any frame rate. Not modelled: heavy tails, and errors that are
correlated between joints or with the motion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from edge.contract.bundle import sha256_of
from edge.contract.errors import DataError, LayoutError
from edge.contract.fields import read_fields
from edge.contract.files import write_text
from edge.contract.intervals import require_in
from edge.contract.layouts import JointLayout
from edge.contract.reading import read_yaml
from edge.contract.types import Float32
from train.data.corruption.estimator_errors import torso_length
from train.data.corruption.temporal_noise import ar1_noise, markov_bursts

FORMAT = 1
CHECKSUM_KEY = "contents_of_fitted_errors"
FIT_AGAIN = "fit the errors again"
MAX_SHARE = 0.99
"""Upper limit of a share: an error that never ends has no bursts."""


@dataclass(frozen=True)
class Bursts:
    """share: fraction of time in the state, 0..1. mean_s: mean duration in seconds, at the fit's frame rate."""

    share: float
    mean_s: float

    def __post_init__(self) -> None:
        require_in(self, share="[0, 1]", mean_s="[0, 1e6]")

    def mean_run(self, fitted_fps: float, fps: float) -> float:
        """Mean run in frames at ``fps``: the same chain, sampled at another rate."""
        share = min(self.share, MAX_SHARE)
        stop = 1 / max(self.mean_s * fitted_fps, 1.0)
        # Second eigenvalue of the chain, raised to the number of fitted frames per new frame.
        memory = float(max(1 - stop / (1 - share), 0.0) ** (fitted_fps / fps))
        return 1 / ((1 - share) * (1 - memory))


@dataclass(frozen=True)
class JointErrors:
    """miss: bursts while the body is found. jitter: standard deviation per axis within a clip, in torso lengths.
    jitter_s: time constant of its autocorrelation (1/e), 0 for white noise. bias: root mean square per axis of the
    constant offset of a clip, in torso lengths."""

    miss: Bursts
    jitter: float
    jitter_s: float
    bias: float

    def __post_init__(self) -> None:
        require_in(self, jitter="[0, inf)", jitter_s="[0, inf)", bias="[0, inf)")


@dataclass(frozen=True)
class FittedErrors:
    """joints: by name, in the order of ``layout``. swaps: by joint name without left_ or right_. lost: bursts in which
    the whole body is lost. fps: frame rate of the fit. source: provenance, not used."""

    layout: str
    fps: float
    joints: Mapping[str, JointErrors]
    swaps: Mapping[str, Bursts]
    lost: Bursts
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_in(self, fps="(0, inf)")

    def check_layout(self, layout: JointLayout) -> None:
        """Raise LayoutError unless every joint of ``layout`` was fitted."""
        missing = [joint for joint in layout.joints if joint not in self.joints]
        if missing:
            raise LayoutError(
                f"the errors were fitted to {self.layout}, clips of {layout.name} also need {missing[0]}",
                hint=f"fit them with --layout {layout.name}",
            )


def apply_fitted_errors(
    keypoints: Float32, layout: JointLayout, errors: FittedErrors, fps: float, rng: np.random.Generator
) -> Float32:
    """Corrupt keypoints (S, V, 3) at ``fps`` as the estimator would; returns a copy. Unseen joints stay unseen."""
    out = keypoints.copy()
    frames, size = len(out), torso_length(keypoints, layout)
    joints = [errors.joints[joint] for joint in layout.joints]
    for v, joint in enumerate(joints):
        correlation = math.exp(-1 / (fps * joint.jitter_s)) if joint.jitter_s > 0 else 0.0
        noise = ar1_noise(rng.normal(0, joint.jitter, (frames, 2)), correlation) + rng.normal(0, joint.bias, 2)
        out[:, v, :2] += (noise * size).astype(np.float32)

    seen = keypoints[..., 2] > 0
    pairs = [(left, right, layout.joints[left].removeprefix("left_")) for left, right in layout.pairs]
    swapped = _draw_bursts([errors.swaps.get(name, Bursts(0, 0)) for *_, name in pairs], frames, errors.fps, fps, rng)
    for rows, (left, right, _) in zip(swapped.T, pairs, strict=True):
        rows = rows & seen[:, left] & seen[:, right]
        out[rows, left], out[rows, right] = out[rows, right], out[rows, left]

    unseen = _draw_bursts([errors.lost, *(joint.miss for joint in joints)], frames, errors.fps, fps, rng)
    out[unseen[:, 1:] | unseen[:, :1] | ~seen] = 0
    return out


def _draw_bursts(
    kinds: list[Bursts], frames: int, fitted_fps: float, fps: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw the Markov chain of each kind: (frames, kinds)."""
    share = [min(kind.share, MAX_SHARE) for kind in kinds]
    return markov_bursts(rng.random((frames, len(kinds))), share, [kind.mean_run(fitted_fps, fps) for kind in kinds])


def write_errors(path: Path, errors: FittedErrors) -> None:
    """Write the YAML file atomically, rounded to four decimals."""
    plain = _rounded({"format": FORMAT, **asdict(errors)})
    write_text(path, yaml.safe_dump(plain, sort_keys=False, width=120))


def checksum_of_errors(path: str | None) -> dict[str, str]:
    """Checksum entry for the record of a run; empty without a file of fitted errors."""
    return {} if path is None or not Path(path).is_file() else {CHECKSUM_KEY: sha256_of(Path(path))}


def read_errors(path: Path) -> FittedErrors:
    """Read fitted errors. Raises DataError for a file that is absent, damaged, of another format or out of range."""
    if not path.is_file():
        raise DataError("no such file of fitted errors", where=path, hint="make it: python -m train fit-errors")
    refused = partial(DataError, where=path, hint=FIT_AGAIN)
    raw = {"source": {}, **read_yaml(path, DataError, FIT_AGAIN)}
    if raw.pop("format", None) != FORMAT:
        raise refused(f"not of format {FORMAT}")
    return read_fields(FittedErrors, raw, refused)


def _rounded(plain: Any) -> Any:
    if isinstance(plain, Mapping):
        return {key: _rounded(value) for key, value in plain.items()}
    return round(plain, 4) if isinstance(plain, float) else plain
