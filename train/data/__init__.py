"""Skeleton clips: read or generated, corrupted, and drawn as pairs of two qualities."""
