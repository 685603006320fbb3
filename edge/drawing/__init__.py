"""Annotation: skeletons, labels and panels, drawn on a copy of the frame."""
