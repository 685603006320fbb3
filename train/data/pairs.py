"""Pairs for distillation: the same clip in high quality (HQ, for the teacher) and low quality (LQ, for the student)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import ConfigError
from edge.contract.intervals import require_in
from edge.contract.layouts import JointLayout, convert, layout
from edge.contract.preprocess import Preprocessing, clip_tensor, resample
from edge.contract.types import Float32
from train.data.cameras import View, random_view
from train.data.clip import SkeletonClip, SkeletonSet
from train.data.clip_times import Span, align_recording, place_window, stretch_to_clip
from train.data.corruption.estimator_errors import EstimatorErrors, apply_estimator_errors, drop_joints
from train.data.corruption.fitted_errors import apply_fitted_errors, read_errors

CACHE_BYTES = 1 << 30
"""Memory for clips that do not depend on random numbers: they are made once and cached."""


@dataclass(frozen=True)
class PairConfig:
    """How a recording becomes a pair of clips."""

    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    """Length, rate and normalisation of a clip; the device uses the same."""
    layout: str | None = None
    """Joint layout of the clips, HQ and LQ. Unset: that of the dataset's LQ recordings, which is what the device sees,
    or the dataset's own where it has none."""
    span: Span = "whole"
    """whole: the recording is stretched to the clip's length. window: the clip is a window of the length that a device
    sees, at a random place of the recording in training, in its middle in testing."""
    poor: Literal["auto", "recorded", "drop", "estimator", "fitted"] = "auto"
    """Source of LQ. recorded: the clip's second recording. drop, estimator, fitted: corrupted HQ. auto: recorded for
    clips that have it, else fitted or estimator if such errors are given, else drop."""
    drop: float = 0.6
    """LQ by dropping: probability that a joint is missing in a frame (0.6 in the paper's release)."""
    estimator_errors: EstimatorErrors | None = None
    """LQ by simulated errors of a pose estimator instead of dropping."""
    fitted_errors: str | None = None
    """LQ by errors fitted to a real estimator: YAML file, see `python -m train fit-errors`."""
    max_yaw_deg: float = 60.0
    """3-D recordings: largest yaw of the virtual camera to either side."""
    max_pitch_deg: float = 20.0
    """3-D recordings: largest pitch of the virtual camera."""
    redraw: bool = True
    """Redraw the corruption of a training clip in every epoch. false: draw it once, as in the paper's release."""
    mirror: bool = False
    """Mirror half of the training clips left to right; wrong where classes name a side."""
    tempo: float = 0.0
    """Change the speed of training clips by up to this share: 0.2 for 20 % slower or faster. With span window only."""
    rotate_deg: float = 0.0
    """Rotate training clips in the image plane by up to this angle."""

    def __post_init__(self) -> None:
        require_in(self, drop="[0, 1]", tempo="[0, 1)")
        require_in(self, max_yaw_deg="[0, 360]", max_pitch_deg="[0, 360]", rotate_deg="[0, 360]")
        if self.estimator_errors is not None:
            self.estimator_errors.validate()


def pair_config(raw: dict[str, Any]) -> PairConfig:
    """Rebuild a PairConfig from the plain types of a checkpoint or a settings file."""
    nested: dict[str, Any] = {"preprocessing": Preprocessing(**raw.get("preprocessing", {}))}
    if (errors := raw.get("estimator_errors")) is not None:
        nested["estimator_errors"] = EstimatorErrors(**errors)
    return PairConfig(**raw | nested)


class PairKey(NamedTuple):
    """Index of a pair: a clip at a position of an epoch.

    Together with the seed it determines all random numbers of the pair. Several processes therefore draw the same pairs
    as one, and a resumed training sees the pairs that it would have seen.
    """

    clip: int
    epoch: int = 0
    position: int = 0


_CleanPair = tuple[Float32, Float32, Float32 | None]
"""A clip before corruption: HQ keypoints (M, T, V, 3) at the clip's times, the same as a clip tensor (C, T, V, M), and
the clip tensor of the second recording, where LQ is taken from it."""


class PairDataset:
    """The training or the test clips of a dataset as pairs of clip tensors.

    Training pairs depend on the :class:`PairKey` and ``seed``. Test pairs depend on the clip and ``seed`` only, so that
    every network and epoch is evaluated on the same corrupted clips. Raises ConfigError where ``config`` asks for LQ
    that neither it nor the dataset provides.
    """

    def __init__(self, data: SkeletonSet, config: PairConfig, *, train: bool, seed: int) -> None:
        self.clips, self.config, self.train, self.seed = data.part(train), config, train, seed
        unpaired = next((clip.id for clip in self.clips if clip.low is None), None)
        if config.poor == "recorded" and unpaired is not None:
            raise ConfigError(
                f"{data.name}, clip {unpaired}: no second recording to take low-quality skeletons from",
                hint="choose --data.pairs.poor drop, estimator or fitted",
            )
        self.source, self.low_source = layout(data.layout), layout(data.low_layout or data.layout)
        self.layout = layout(clip_layout(data, config))
        self.labels = np.array([clip.label for clip in self.clips], np.int64)
        self._corrupt = _corruption(config, self.layout)
        self._times = np.arange(config.preprocessing.length_frames) / config.preprocessing.fps
        self._clean_pairs: dict[tuple[int, bool], _CleanPair] = {}
        self._test_pairs: dict[int, tuple[Float32, Float32]] = {}
        self._cached_bytes = 0

    def __len__(self) -> int:
        return len(self.clips)

    def draw(self, clip: int, epoch: int = 0, position: int = 0) -> tuple[Float32, Float32]:
        """(LQ, HQ) clip tensors (C, T, V, M) of one recording, see :class:`PairKey`. Do not write to them."""
        if self.train:
            return self._make_pair(clip, np.random.default_rng((self.seed, 1, clip, epoch, position)))
        if (pair := self._test_pairs.get(clip)) is None:
            pair = self._make_pair(clip, np.random.default_rng((self.seed, clip)))
            if self._fits_in_cache(*pair):
                self._test_pairs[clip] = pair
        return pair

    def __getitem__(self, at: PairKey) -> tuple[Float32, Float32, np.int64]:
        """(LQ, HQ, label), for a ``torch.utils.data.DataLoader``."""
        return *self.draw(*at), self.labels[at.clip]

    def batch(self, indices: NDArray[np.int64]) -> tuple[Float32, Float32, NDArray[np.int64]]:
        """LQ and HQ (N, C, T, V, M), labels (N,); training clips as at position 0 of epoch 0."""
        pairs = [self.draw(i) for i in indices]
        return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs]), self.labels[indices]

    def _make_pair(self, index: int, rng: np.random.Generator) -> tuple[Float32, Float32]:
        good, high, low = self._clean_pair(index, rng)
        if low is not None:
            return low, high
        if self.train and not self.config.redraw:
            rng = np.random.default_rng((self.seed, 2, index))
        return self._tensor(self._corrupt(body, rng=rng) for body in good), high

    def _clean_pair(self, index: int, rng: np.random.Generator) -> _CleanPair:
        clip, config = self.clips[index], self.config
        recorded = clip.low if config.poor in ("auto", "recorded") else None
        view = _draw_view(clip, config, rng, augment=self.train)
        duration_s = config.preprocessing.duration_s
        if config.span == "whole":
            times = stretch_to_clip(clip, duration_s)
        else:
            times = place_window(clip, duration_s, config.tempo, rng if self.train else None)
        mirrored = self.train and config.mirror and rng.random() < 0.5
        if (cached := self._clean_pairs.get((index, mirrored))) is not None:
            return cached

        good = self._resampled(view.keypoints(clip), self.source, times, mirrored)
        low = None
        if recorded is not None:
            poor = view.keypoints(recorded)
            low = self._tensor(self._resampled(poor, self.low_source, align_recording(times, recorded), mirrored))
        high = self._tensor(good)
        random = view != View() or config.span == "window"
        if self.train and not random and self._fits_in_cache(good, high):
            self._clean_pairs[index, mirrored] = good, high, low
        return good, high, low

    def _resampled(self, bodies: Float32, source: JointLayout, times: NDArray[np.float64], mirrored: bool) -> Float32:
        """Keypoints (M, S, V_source, 3) at ``times`` (S,) -> (M, T, V, 3) at the clip's times."""
        settings = self.config.preprocessing
        # Stretched frames are at no time of the recording, so their distance is no gap.
        max_gap_s = math.inf if self.config.span == "whole" else settings.max_gap_s
        bodies = convert(bodies, source, self.layout)
        if mirrored:
            bodies = mirror(bodies, self.layout)
        return np.stack([resample(body, times, self._times, max_gap_s, settings.between) for body in bodies])

    def _tensor(self, bodies: Iterable[Float32]) -> Float32:
        return clip_tensor([(body, self._times) for body in bodies], self.layout, self.config.preprocessing)

    def _fits_in_cache(self, *arrays: Float32) -> bool:
        """Whether the cache has room. If so, count the arrays and make them read-only."""
        if self._cached_bytes >= CACHE_BYTES:
            return False
        for array in arrays:
            self._cached_bytes += array.nbytes
            array.flags.writeable = False
        return True


def clip_layout(data: SkeletonSet, config: PairConfig) -> str:
    """Name of the layout of the clips; see :attr:`PairConfig.layout`."""
    return config.layout or data.low_layout or data.layout


def _corruption(config: PairConfig, joints: JointLayout) -> Callable[..., Float32]:
    """How HQ keypoints (S, V, 3) become LQ ones, with a generator ``rng``; see :attr:`PairConfig.poor`."""
    fitted, simulated, poor = config.fitted_errors, config.estimator_errors, config.poor
    if poor == "auto":
        poor = "fitted" if fitted is not None else "drop" if simulated is None else "estimator"
    if poor == "fitted":
        if fitted is None:
            raise ConfigError("poor fitted needs a file of fitted errors", hint="give --data.pairs.fitted_errors")
        errors = read_errors(Path(fitted))
        errors.check_layout(joints)
        return partial(apply_fitted_errors, layout=joints, errors=errors, fps=config.preprocessing.fps)
    if poor == "estimator":
        if simulated is None:
            raise ConfigError("poor estimator needs the errors to simulate", hint="give --data.pairs.estimator_errors")
        return partial(apply_estimator_errors, layout=joints, errors=simulated)
    return partial(drop_joints, probability=config.drop)


def _draw_view(clip: SkeletonClip, config: PairConfig, rng: np.random.Generator, *, augment: bool) -> View:
    """Draw the view of both recordings: a camera for 3-D ones, and with ``augment`` a roll of the image."""
    camera = None
    if any(recording is not None and recording.joints.shape[-1] == 3 for recording in (clip, clip.low)):
        camera = random_view(rng, np.radians(config.max_yaw_deg), np.radians(config.max_pitch_deg))
    roll = rng.uniform(-config.rotate_deg, config.rotate_deg) if augment and config.rotate_deg else 0.0
    return View(camera, float(np.radians(roll)))


def mirror(keypoints: Float32, joints: JointLayout) -> Float32:
    """Mirror keypoints (..., V, 3): negate x and swap left and right joints."""
    out = keypoints[..., list(joints.mirror), :]
    out[..., 0] *= -1
    return out
