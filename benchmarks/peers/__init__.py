"""Comparison with other projects: ``make bench-peers``."""
