"""Temporally correlated noise: two-state Markov chains and first-order autoregressive (AR(1)) noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def markov_bursts(draws: NDArray[np.float64], share: ArrayLike, mean_run: ArrayLike) -> NDArray[np.bool_]:
    """Two-state Markov chains (frames, columns): true for ``share`` of the time, in runs of mean length ``mean_run``.

    draws: (frames, columns) uniform in 0..1. share: below 1; mean_run: at least 1; each a scalar or (columns,).
    """
    share, stop = np.asarray(share, np.float64), 1 / np.asarray(mean_run, np.float64)
    start = stop * share / (1 - share)
    stays, begins = draws >= stop, draws < start
    # Where both agree, the new state does not depend on the previous one; elsewhere the draw keeps or flips it. So a
    # state is that of the last independent frame, flipped as often as the draws since then say.
    independent = stays == begins
    stays[0] = draws[0] < share
    flips = np.cumsum(~independent & ~stays, axis=0)
    last = np.maximum.accumulate(np.where(independent, np.arange(len(draws))[:, None], 0), axis=0)
    odd = (flips - np.take_along_axis(flips, last, axis=0)) % 2 == 1
    return np.take_along_axis(stays, last, axis=0) ^ odd


def ar1_noise(noise: NDArray[np.float64], correlation: float) -> NDArray[np.float64]:
    """Filter white noise (S, ...) to AR(1) noise of the same variance and this correlation between frames."""
    from scipy.signal import lfilter  # imports half of SciPy, too slow for `--help`

    fresh = [np.sqrt(1 - correlation**2)]
    later, _ = lfilter(fresh, [1.0, -correlation], noise[1:], axis=0, zi=correlation * noise[:1])
    return np.concatenate([noise[:1], later])
