"""The axes of a Kinect's skeletons."""

from __future__ import annotations

import numpy as np

TO_CAMERA = np.array([-1, 1, 1], np.float32)
"""Times coordinates in metres: the sensor's x grows to the left of its own view, ours to the right of the camera."""
