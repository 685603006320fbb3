"""Endurance test: the loop for hours, with a camera that is lost at random."""
