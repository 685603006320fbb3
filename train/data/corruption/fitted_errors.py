"""The errors of a real estimator, as numbers fitted to its poses, and skeletons spoilt by them.

The model: each joint lies off by a bias that lasts the clip and by first-order (AR(1)) Gaussian noise; the joints
of a left/right pair change places, single joints go unseen, and the whole body is lost, each in spells of a
two-state Markov chain. Sizes are in torso lengths, times in seconds, so that a clip of any rate can be spoilt.
What it leaves out: heavy tails of the noise, and errors that come together in several joints or with a motion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from edge.contract.bundle import sha256_of
from edge.contract.errors import DataError, LayoutError
from edge.contract.files import write_text
from edge.contract.layouts import JointLayout
from edge.contract.reading import read_yaml
from edge.contract.types import Float32
from train.data.corruption.estimator_errors import torso_length
from train.data.corruption.temporal_noise import ar1_noise, markov_bursts

FORMAT = 1
CHECKSUM_KEY = "contents_of_fitted_errors"
MAX_SHARE = 0.99
"""No share is taken to be larger: an error that never ends has no spells."""


@dataclass(frozen=True)
class Bursts:
    """share: of the time, 0..1. mean_s: how long one lasts on average, in seconds at the fit's frame rate."""

    share: float
    mean_s: float

    def mean_run(self, fitted_fps: float, fps: float) -> float:
        """Mean run in frames of clips of ``fps``: the same chain, looked at more or less often."""
        share = min(self.share, MAX_SHARE)
        stop = 1 / max(self.mean_s * fitted_fps, 1.0)
        # Each look back forgets this much of the state; times between looks multiply.
        memory = float(max(1 - stop / (1 - share), 0.0) ** (fitted_fps / fps))
        return 1 / ((1 - share) * (1 - memory))


@dataclass(frozen=True)
class JointErrors:
    """miss: while the body is found. jitter: standard deviation per axis, within a clip, in torso lengths.
    jitter_s: time after which its correlation has fallen to 1/e, 0 for none. bias: root mean square per axis of
    the offset that lasts a whole clip, in torso lengths."""

    miss: Bursts
    jitter: float
    jitter_s: float
    bias: float


@dataclass(frozen=True)
class FittedErrors:
    """joints: by name, in the order of ``layout``. swaps: by what left_ and right_ precede in the joints' names.
    lost: the whole body. fps: of the frames they were fitted to. source: where they come from, in words."""

    layout: str
    fps: float
    joints: Mapping[str, JointErrors]
    swaps: Mapping[str, Bursts]
    lost: Bursts
    source: Mapping[str, Any] = field(default_factory=dict)

    def check_layout(self, layout: JointLayout) -> None:
        """LayoutError unless every joint of ``layout`` was fitted."""
        missing = [joint for joint in layout.joints if joint not in self.joints]
        if missing:
            raise LayoutError(
                f"the errors were fitted to {self.layout}, clips of {layout.name} need {missing[0]} too",
                hint=f"fit them with --layout {layout.name}",
            )


def apply_fitted_errors(
    keypoints: Float32, layout: JointLayout, errors: FittedErrors, fps: float, rng: np.random.Generator
) -> Float32:
    """Keypoints (S, V, 3) of ``fps`` frames a second as the fitted estimator might have given them.

    The input stays untouched; what it does not see stays unseen.
    """
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
    """(frames, kinds) whether each is on."""
    share = [min(kind.share, MAX_SHARE) for kind in kinds]
    return markov_bursts(rng.random((frames, len(kinds))), share, [kind.mean_run(fitted_fps, fps) for kind in kinds])


def write_errors(path: Path, errors: FittedErrors) -> None:
    """Write the YAML file whole, rounded to four digits after the point."""
    plain = _rounded({"format": FORMAT, **asdict(errors)})
    write_text(path, yaml.safe_dump(plain, sort_keys=False, width=120))


def checksum_of_errors(path: str | None) -> dict[str, str]:
    """What a run remembers of its file of fitted errors beyond its name; nothing where it has none."""
    return {} if path is None or not Path(path).is_file() else {CHECKSUM_KEY: sha256_of(Path(path))}


def read_errors(path: Path) -> FittedErrors:
    """The fitted errors of a file; DataError if it is absent, damaged, of another format or out of range."""
    if not path.is_file():
        raise DataError("no such file of fitted errors", where=path, hint="make it: python -m train fit-errors")
    try:
        raw = read_yaml(path, DataError, "fit the errors again")
        if raw.pop("format") != FORMAT:
            raise DataError(f"not of format {FORMAT}", where=path, hint="fit the errors again")
        raw["joints"] = {
            name: JointErrors(**{**joint, "miss": _bursts(joint["miss"])}) for name, joint in raw["joints"].items()
        }
        raw["swaps"] = {name: _bursts(swap) for name, swap in raw["swaps"].items()}
        errors = FittedErrors(**{**raw, "lost": _bursts(raw["lost"])})
        sizes = [value for joint in errors.joints.values() for value in (joint.jitter, joint.jitter_s, joint.bias)]
        if not errors.fps > 0 or not all(0 <= value < math.inf for value in sizes):
            raise ValueError("a rate, size or time is out of range")
        return errors
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise DataError(f"not a readable file of fitted errors: {error}", where=path, hint="fit them again") from error


def _bursts(raw: dict[str, float]) -> Bursts:
    found = Bursts(**raw)
    if not 0 <= found.share <= 1 or not 0 <= found.mean_s < math.inf:
        raise ValueError(f"a share of {found.share} in spells of {found.mean_s} s")
    return found


def _rounded(plain: Any) -> Any:
    if isinstance(plain, Mapping):
        return {key: _rounded(value) for key, value in plain.items()}
    return round(plain, 4) if isinstance(plain, float) else plain
