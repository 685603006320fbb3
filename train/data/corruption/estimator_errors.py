"""Simulated errors of a pose estimator, with parameters set by hand, and independent dropping of joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.intervals import require_in
from edge.contract.layouts import JointLayout
from edge.contract.types import Float32
from train.data.corruption.temporal_noise import ar1_noise, markov_bursts

LIMBS = (("elbow", "wrist", "hand", "pinky", "index", "thumb"), ("knee", "ankle", "heel", "foot"))
"""Substrings of the names of the joints of arms and of legs, from the body outwards."""

BELOW_WAIST = ("hip", *LIMBS[1])
"""The same of the joints below the waist."""

SIZES = "[0, inf)"

DRIFT_CORRELATION = 0.88
"""Correlation of drift from frame to frame: a time constant of about eight frames."""


@dataclass(frozen=True)
class EstimatorErrors:
    """How a single-frame pose estimator fails; probabilities are per frame, lengths in torso lengths."""

    jitter: float = 0.03
    """Standard deviation of each joint's white noise, in torso lengths."""
    drift: float = 0.04
    """Standard deviation of noise that is correlated over frames, in torso lengths."""
    noise_spread: float = 0.0
    """Jitter and drift of a clip are multiplied by a number drawn from 1 - noise_spread to 1 + noise_spread: people who
    are far away or blurred are noisier. Without it, a network may recognise smooth recordings by this very noise."""
    miss: float = 0.08
    """Probability that a joint is unseen, in runs of miss_run_frames."""
    miss_run_frames: float = 4.0
    """Mean length of such a run."""
    limb_miss: float = 0.15
    """Half the mean number of joints that are missing throughout a clip: each is missing with probability
    2 * limb_miss / V, independently of the others."""
    hidden: float = 0.0
    """Probability per clip that arms, legs or both are hidden, on one side or both, from the elbow and knee on or only
    beyond them, throughout the clip or in a part of it. Without it, a network may recognise a dataset, and so a class,
    by the joints that its annotators left out."""
    swap: float = 0.02
    """Probability that the joints of a left-right pair are swapped, in runs of swap_run_frames."""
    swap_run_frames: float = 3.0
    """Mean length of such a run."""
    outlier: float = 0.01
    """Probability that a joint is placed on another joint of the body."""
    cut_off: float = 0.0
    """Probability per clip that the frame ends at the waist, as with a laptop's camera: hips and legs are unseen."""
    bias: float = 0.0
    """Standard deviation of each joint's constant offset within a clip, in torso lengths."""
    hip_shift: float = 0.0
    """Largest shift of the hips along the trunk, as a share of its length: estimators place hips differently."""

    def validate(self) -> None:
        """Raise ConfigError for values out of range.

        Not in __post_init__: this is an optional field of a larger setting, so the command line would report an error
        as a wrong type.
        """
        require_in(self, miss="[0, 1)", swap="[0, 1)", outlier="[0, 1]")
        require_in(self, hidden="[0, 1]", cut_off="[0, 1]", noise_spread="[0, 1]")
        require_in(self, miss_run_frames="[1, inf)", swap_run_frames="[1, inf)")
        require_in(self, jitter=SIZES, drift=SIZES, limb_miss=SIZES, bias=SIZES, hip_shift=SIZES)


def drop_joints(keypoints: Float32, probability: float, rng: np.random.Generator) -> Float32:
    """Mark each joint of each frame of (S, V, 3) as unseen with this probability.

    Imputation by the mean of +-3 frames is left to the device's own :func:`edge.contract.preprocess.impute`.
    Source: Bian et al., released NTU code, probability 0.6.
    """
    out = keypoints.copy()
    out[rng.random(keypoints.shape[:2]) < probability] = 0
    return out


def apply_estimator_errors(
    keypoints: Float32, layout: JointLayout, errors: EstimatorErrors, rng: np.random.Generator
) -> Float32:
    """Corrupt keypoints (S, V, 3) as such an estimator would; returns a copy."""
    out = keypoints.copy()
    frames, joints = out.shape[:2]
    size = torso_length(out, layout)

    noise = rng.normal(0, errors.jitter, (frames, joints, 2))
    noise += ar1_noise(rng.normal(0, errors.drift, (frames, joints, 2)), DRIFT_CORRELATION)
    if errors.noise_spread:
        noise *= rng.uniform(1 - errors.noise_spread, 1 + errors.noise_spread)
    if errors.bias:
        noise += rng.normal(0, errors.bias, (1, joints, 2))
    out[..., :2] += (noise * size).astype(np.float32)
    if errors.hip_shift:
        _shift_hips(out, layout, rng.uniform(-errors.hip_shift, errors.hip_shift))

    if errors.swap > 0:
        swapped = markov_bursts(rng.random((len(layout.pairs), frames)).T, errors.swap, errors.swap_run_frames)
        for rows, (left, right) in zip(swapped.T, layout.pairs, strict=True):
            out[rows, left], out[rows, right] = out[rows, right], out[rows, left]

    wild = rng.random((frames, joints)) < errors.outlier
    other = rng.integers(0, joints, (frames, joints))
    out[wild] = np.take_along_axis(out, other[..., None], axis=1)[wild]

    unseen: NDArray[np.bool_] = np.zeros((frames, joints), bool)
    if errors.miss > 0:
        unseen = markov_bursts(rng.random((frames, joints)), errors.miss, errors.miss_run_frames)
    unseen |= rng.random(joints) < errors.limb_miss / joints * 2
    if errors.hidden and rng.random() < errors.hidden:
        _hide_limbs(unseen, layout, rng)
    if errors.cut_off and rng.random() < errors.cut_off:
        unseen[:, [any(part in joint for part in BELOW_WAIST) for joint in layout.joints]] = True
    out[unseen] = 0
    return np.where(keypoints[..., 2:] > 0, out, 0)


def _hide_limbs(unseen: NDArray[np.bool_], layout: JointLayout, rng: np.random.Generator) -> None:
    """Mark the joints of random limbs in ``unseen`` (S, V), see :attr:`EstimatorErrors.hidden`."""
    sides = [("left",), ("right",), ("left", "right")][rng.integers(3)]
    limbs = [LIMBS[:1], LIMBS[1:], LIMBS][rng.integers(3)]
    first = rng.integers(2)
    parts = [f"{side}_{part}" for side in sides for limb in limbs for part in limb[first:]]
    start, end = sorted(rng.integers(0, len(unseen) + 1, 2)) if rng.random() < 0.5 else (0, len(unseen))
    unseen[start:end, [any(part in joint for part in parts) for joint in layout.joints]] = True


def _shift_hips(keypoints: Float32, layout: JointLayout, share: float) -> None:
    """Move the hips of (S, V, 3) away from the shoulders by a share of the trunk's length, in place."""
    shoulders, hips = (list(layout.index(f"left_{part}", f"right_{part}")) for part in ("shoulder", "hip"))
    whole = (keypoints[:, shoulders + hips, 2] > 0).all(axis=1, keepdims=True)
    trunk = keypoints[:, hips, :2].mean(axis=1) - keypoints[:, shoulders, :2].mean(axis=1)
    keypoints[:, hips, :2] += np.where(whole, share * trunk, 0)[:, None]


def torso_length(keypoints: Float32, layout: JointLayout) -> float:
    """Median torso length of (S, V, 3) in pixels, or a third of the body's height if the torso is never seen."""
    ls, rs, lh, rh = layout.index("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    whole = (keypoints[:, [ls, rs, lh, rh], 2] > 0).all(axis=1)
    if whole.any():
        xy = keypoints[whole, :, :2]
        lengths = np.linalg.norm((xy[:, ls] + xy[:, rs] - xy[:, lh] - xy[:, rh]) / 2, axis=-1)
        if (length := float(np.median(lengths))) > 0:
            return length
    seen = keypoints[..., 2] > 0
    return float(np.ptp(keypoints[..., 1][seen])) / 3 if seen.any() else 1.0
