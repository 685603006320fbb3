"""Synthetic clips from joint angles: bodies, motions, scenes of several people. They need no dataset."""
