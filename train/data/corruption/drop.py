"""Independent joint dropping, as in the paper's release."""

from __future__ import annotations

import numpy as np

from edge.contract.types import Float32


def drop_joints(keypoints: Float32, probability: float, rng: np.random.Generator) -> Float32:
    """Mark each joint of each frame of (S, V, 3) as unseen with this probability.

    Imputation by the mean of +-3 frames is left to the device's own :func:`edge.contract.preprocess.impute`.
    Source: Bian et al., released NTU code, probability 0.6.
    """
    out = keypoints.copy()
    out[rng.random(keypoints.shape[:2]) < probability] = 0
    return out
