"""Quantisation-aware training: INT8 networks as calibration left them, trained on in eight bits."""
