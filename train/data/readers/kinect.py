"""Axes of Kinect skeletons."""

from __future__ import annotations

import numpy as np

TO_CAMERA = np.array([-1, 1, 1], np.float32)
"""Factor from the sensor's axes to this package's: the sensor's x points left in its own view, ours right."""
