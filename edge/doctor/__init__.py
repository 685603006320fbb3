"""Checks of what a machine needs for the camera loop. Each check turns text from the system into findings."""
