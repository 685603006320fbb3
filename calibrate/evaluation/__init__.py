"""Accuracy of INT8 networks and engines against FP32, and their latency."""
