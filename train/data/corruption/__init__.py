"""Corruption models: low-quality skeletons from high-quality ones."""
