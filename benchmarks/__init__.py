"""Measured comparisons, with the peers they are measured against."""
