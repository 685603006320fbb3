"""Skeleton clips: read or generated, corrupted, and served as pairs of high and low quality."""
