"""Quantisation-aware training: fine-tune INT8 networks that calibration wrote."""
