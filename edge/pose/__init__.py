"""Pose estimators: a picture in, bodies out."""
