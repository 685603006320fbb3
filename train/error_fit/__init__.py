"""Fit an error model of a cheap pose estimator to pairs from videos."""
