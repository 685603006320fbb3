"""Pose estimators: an image in, bodies out."""
