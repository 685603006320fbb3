"""Plot a fit: measured errors beside those that the fitted model makes on the same good skeletons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edge.contract.files import atomic_write
from edge.contract.layouts import JointLayout
from train.data.corruption.estimator_errors import torso_length
from train.data.corruption.fitted_errors import FittedErrors
from train.error_fit.measure import Observed

LARGEST = 0.6
"""Upper end of the histogram of distances, in torso lengths."""


def plot_errors(
    path: Path,
    measured: FittedErrors,
    simulated: FittedErrors,
    real: Sequence[Observed],
    made: Sequence[Observed],
    layout: JointLayout,
) -> None:
    """Write a PNG. measured: the fit to ``real``. simulated: a fit to ``made``, the good skeletons after corruption."""
    names = [joint.replace("left_", "l ").replace("right_", "r ") for joint in layout.joints]
    both = [list(fit.joints.values()) for fit in (measured, simulated)]
    swaps = [list(fit.swaps.values()) for fit in (measured, simulated)]
    panels = [
        ("joint missing, % of frames", names, [[100 * j.miss.share for j in fit] for fit in both]),
        ("joint missing, mean duration, s", names, [[j.miss.mean_s for j in fit] for fit in both]),
        ("jitter, torso lengths", names, [[j.jitter for j in fit] for fit in both]),
        ("jitter, correlation time, s", names, [[j.jitter_s for j in fit] for fit in both]),
        ("bias per clip, torso lengths", names, [[j.bias for j in fit] for fit in both]),
        ("left and right swapped, % of frames", list(measured.swaps), [[100 * s.share for s in f] for f in swaps]),
        ("left and right swapped, mean duration, s", list(measured.swaps), [[s.mean_s for s in f] for f in swaps]),
    ]
    figure = Figure(figsize=(13, 14), layout="constrained")
    axes = figure.subplots(4, 2)
    for axis, (title, ticks, bars) in zip(axes.flat, panels, strict=False):
        for n, (values, label) in enumerate(zip(bars, ("measured", "simulated"), strict=True)):
            axis.bar(np.arange(len(ticks)) + 0.4 * n, values, 0.38, align="edge", label=label, color=f"C{n}")
        axis.set_xticks(np.arange(len(ticks)) + 0.4, ticks, rotation=60, ha="right", fontsize=8)
        axis.set_title(title, fontsize=10)
    axis = axes.flat[-1]
    for recordings, label in ((real, "measured"), (made, "simulated")):
        axis.hist(
            _distances(recordings, layout), np.linspace(0, LARGEST, 61), density=True, histtype="step", label=label
        )
    axis.set_title("distance between both estimators, torso lengths (density of all joints)", fontsize=10)
    losses = {"measured": measured.lost, "simulated": simulated.lost}
    lost = "; ".join(f"{name} {100 * of.share:.1f} % of frames, {of.mean_s:.2f} s" for name, of in losses.items())
    axes.flat[0].legend(fontsize=8)
    figure.suptitle(f"estimator errors, {layout.name} joints, at {measured.fps:.3g} Hz; body lost: {lost}", fontsize=11)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=80)


def _distances(recordings: Sequence[Observed], layout: JointLayout) -> NDArray[np.float64]:
    """Distances (D,) of all joints that both see, in torso lengths, clipped to LARGEST."""
    parts = []
    for one in recordings:
        both = (one.good[..., 2] > 0) & (one.poor[..., 2] > 0)
        apart = np.linalg.norm(one.good[..., :2].astype(np.float64) - one.poor[..., :2], axis=-1)
        parts.append(apart[both] / torso_length(one.good, layout))
    return np.minimum(np.concatenate(parts), LARGEST - 1e-6)
