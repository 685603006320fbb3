"""skd-edge on the device: pose estimator, tracker and action recogniser in a camera loop."""

__version__ = "0.1.0"
