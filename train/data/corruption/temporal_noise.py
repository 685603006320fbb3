"""Errors that last: two-state Markov chains for what comes and goes, and first-order noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def markov_bursts(draws: NDArray[np.float64], share: ArrayLike, mean_run: ArrayLike) -> NDArray[np.bool_]:
    """Boolean (frames, columns) that is true for ``share`` of the time, in runs of ``mean_run`` frames on average.

    draws: (frames, columns) uniform in 0..1. share below 1 and mean_run from 1 up, for all columns or (columns,).
    """
    share, stop = np.asarray(share, np.float64), 1 / np.asarray(mean_run, np.float64)
    start = stop * share / (1 - share)
    stays, begins = draws >= stop, draws < start
    # Where both agree, the state before has no say; elsewhere a draw keeps it or turns it over. So a state is
    # that of the last frame in which there was no choice, turned over as often as it was since.
    settled = stays == begins
    settled[0], stays[0] = True, draws[0] < share
    turned = np.cumsum(~settled & ~stays, axis=0)
    last = np.maximum.accumulate(np.where(settled, np.arange(len(draws))[:, None], 0), axis=0)
    odd = (turned - np.take_along_axis(turned, last, axis=0)) % 2 == 1
    state: NDArray[np.bool_] = np.take_along_axis(stays, last, axis=0) ^ odd
    return state


def ar1_noise(noise: NDArray[np.float64], correlation: float) -> NDArray[np.float64]:
    """White noise (S, ...) to noise of the same variance, each frame correlated so much with the one before."""
    from scipy.signal import lfilter  # with half of SciPy, which `--help` need not wait for

    out = noise.copy()
    if len(noise) > 1:
        fresh = [np.sqrt(1 - correlation**2)]
        out[1:] = lfilter(fresh, [1.0, -correlation], noise[1:], axis=0, zi=correlation * noise[:1])[0]
    return out
