"""``python -m train fit-errors``: fit the corruption's parameters to video pairs, and plot the fit."""

from __future__ import annotations

import numpy as np

from edge.cli.console import console
from edge.contract.layouts import JointLayout, convert, layout
from edge.contract.types import Float32
from train.data.cameras import View
from train.data.clip import Recording, SkeletonClip
from train.data.corruption.fitted_errors import apply_fitted_errors, write_errors
from train.data.readers.video_pairs import read_video_pairs
from train.error_fit.configuration import FitErrorsConfig
from train.error_fit.measure import Observed, fit_errors
from train.error_fit.plot import plot_errors
from train.video_pairs.manifest import read_manifest

PASSES = 5
"""Times that the good skeletons are corrupted for the plot, to average out the random numbers."""


def fit(config: FitErrorsConfig) -> None:
    """Write parameters and plot. Raises DataError for pairs that are missing, damaged or show too little."""
    data, manifest = read_video_pairs(config.pairs), read_manifest(config.pairs)
    joints = layout(config.layout or manifest.layouts["low"])
    high, low = (layout(manifest.layouts[side]) for side in ("high", "low"))
    real = []
    for clip in data.clips:
        assert clip.low is not None
        real.append(Observed(_in_layout(clip, high, joints), _in_layout(clip.low, low, joints), clip.fps))
    source = {side: manifest.settings.get(side) for side in ("high", "low")}
    source |= {"videos": len(real), "frames": sum(len(one.good) for one in real)}
    source["skd-edge"] = manifest.versions.get("skd-edge")
    found = fit_errors(real, joints, config.fps, source)
    rng = np.random.default_rng(0)
    made = [
        Observed(one.good, apply_fitted_errors(one.good, joints, found, one.fps, rng), one.fps)
        for _ in range(PASSES)
        for one in real
    ]
    again = fit_errors(made, joints, config.fps, {})
    write_errors(config.out, found)
    picture = config.out.with_suffix(".png")
    plot_errors(picture, found, again, real, made, joints)
    missed = float(np.mean([joint.miss.share for joint in found.joints.values()]))
    jitter = float(np.mean([joint.jitter for joint in found.joints.values()]))
    console.print(
        f"{config.out}: body lost in {100 * found.lost.share:.1f} % of frames; joints missed in {100 * missed:.1f} %, "
        f"jitter {jitter:.3f} torso lengths (means over {len(joints)} joints); plot in {picture}"
    )


def _in_layout(recording: SkeletonClip | Recording, source: JointLayout, target: JointLayout) -> Float32:
    """Keypoints (S, V, 3) of the recording's only body."""
    return convert(View().keypoints(recording)[0], source, target)
