"""Pairs for distillation: the same clip as the teacher sees it (HQ) and as the student does (LQ)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.contract.layouts import JointLayout, convert, layout
from edge.contract.preprocess import Preprocessing, clip_tensor, resample
from edge.contract.types import Float32
from train.data.cameras import project, random_view
from train.data.clip import SkeletonClip, SkeletonSet
from train.data.corruption import EstimatorErrors, drop, estimate_badly


@dataclass(frozen=True)
class PairConfig:
    """How a recording becomes a pair of clips."""

    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    """Length, rate and normalisation of a clip; the device repeats exactly these."""
    layout: str | None = None
    """Joint layout of the clips; by default the dataset's own."""
    span: Literal["whole", "window"] = "whole"
    """whole: the recording is stretched to the clip's length. window: the clip is the seconds a device would
    see, drawn anywhere in the recording for training, its middle for testing."""
    drop: float = 0.6
    """LQ: probability that a joint of a frame is unseen (the paper's release: 0.6)."""
    estimator_errors: EstimatorErrors | None = None
    """LQ: instead of plain dropping, the errors of a pose estimator."""
    max_yaw_deg: float = 60.0
    """3-D recordings: how far to either side the virtual camera goes."""
    max_pitch_deg: float = 20.0
    """3-D recordings: how far up the virtual camera goes."""
    mirror: bool = False
    """Train on left-right mirrored clips too; wrong where classes name a side."""
    tempo: float = 0.0
    """Train at rates changed by up to this share, 0.2 for 20 % slower or faster."""
    rotate_deg: float = 0.0
    """Train on pictures rolled by up to this angle."""


class Pairs:
    """One part of a dataset, ready to be drawn as pairs of clip tensors.

    Training pairs differ at each draw; test pairs depend on the clip and ``seed`` alone, so that every
    network and every epoch is measured on the same corrupted clips.
    """

    def __init__(self, data: SkeletonSet, config: PairConfig, *, train: bool, seed: int) -> None:
        self.clips, self.config, self.train, self.seed = data.part(train), config, train, seed
        self.source = layout(data.layout)
        self.layout = layout(config.layout or data.layout)
        self.labels = np.array([clip.label for clip in self.clips], np.int64)
        self._rng = np.random.default_rng((seed, 1))

    def __len__(self) -> int:
        return len(self.clips)

    def draw(self, index: int) -> tuple[Float32, Float32]:
        """(LQ, HQ) clip tensors (C, T, V, M) of one recording."""
        rng = self._rng if self.train else np.random.default_rng((self.seed, index))
        clip, how = self.clips[index], self.config.preprocessing
        bodies = _keypoints(clip, self.config, rng, augment=self.train)
        times = _times(clip, self.config, rng, augment=self.train)
        at = np.arange(how.length_frames) / how.fps
        mirrored = self.train and self.config.mirror and rng.random() < 0.5
        low, high = [], []
        for body in bodies:
            body = convert(body, self.source, self.layout)
            if mirrored:
                body = _mirror(body, self.layout)
            good = resample(body, times, at, how.max_gap_s)
            high.append((good, at))
            low.append((_corrupt(good, self.layout, self.config, rng), at))
        return clip_tensor(low, self.layout, how), clip_tensor(high, self.layout, how)

    def batch(self, indices: NDArray[np.int64]) -> tuple[Float32, Float32, NDArray[np.int64]]:
        """LQ and HQ (N, C, T, V, M), labels (N,)."""
        pairs = [self.draw(int(i)) for i in indices]
        return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs]), self.labels[indices]

    def state(self) -> dict[str, object]:
        """Where the random draws stand, for an exact resume."""
        return dict(self._rng.bit_generator.state)

    def restore(self, state: dict[str, object]) -> None:
        """Continue the draws from :meth:`state`."""
        self._rng.bit_generator.state = state


def _keypoints(clip: SkeletonClip, config: PairConfig, rng: np.random.Generator, *, augment: bool) -> Float32:
    """Keypoints (M, S, V, 3) in pixels, 3-D recordings seen by a camera drawn from ``rng``."""
    xy = clip.joints
    if xy.shape[-1] == 3:
        xy = project(
            clip.joints, clip.seen, *random_view(rng, np.radians(config.max_yaw_deg), np.radians(config.max_pitch_deg))
        )
    if augment and config.rotate_deg:
        angle = np.radians(rng.uniform(-config.rotate_deg, config.rotate_deg))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
        xy = xy @ turn.T
    return np.concatenate([np.where(clip.seen[..., None], xy, 0), clip.seen[..., None]], axis=-1).astype(np.float32)


def _times(clip: SkeletonClip, config: PairConfig, rng: np.random.Generator, *, augment: bool) -> NDArray[np.float64]:
    """Times (S,) of the frames such that the clip's window is 0..duration_s."""
    frames, duration = clip.joints.shape[1], config.preprocessing.duration_s
    if config.span == "whole":
        return np.linspace(0, duration, frames) if frames > 1 else np.zeros(1)
    tempo = rng.uniform(1 - config.tempo, 1 + config.tempo) if augment else 1.0
    times = np.arange(frames) / (clip.fps * tempo)
    slack = times[-1] - duration
    # A recording shorter than the window is held still before and after, as people stand there.
    offset = rng.uniform(min(slack, 0), max(slack, 0)) if augment else slack / 2
    return np.asarray(times - offset)


def _corrupt(good: Float32, joints: JointLayout, config: PairConfig, rng: np.random.Generator) -> Float32:
    if config.estimator_errors is not None:
        return estimate_badly(good, joints, config.estimator_errors, rng)
    return drop(good, config.drop, rng)


def _mirror(keypoints: Float32, joints: JointLayout) -> Float32:
    """Left and right exchanged, in the picture and in the names of the joints."""
    out = keypoints[..., list(joints.mirror), :].copy()
    out[..., 0] *= -1
    return out
