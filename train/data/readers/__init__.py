"""Readers of published datasets and of the user's own, one per file, and what they share."""
