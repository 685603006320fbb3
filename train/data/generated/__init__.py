"""Clips made from joint angles: bodies, motions, scenes of several people. No dataset is needed."""
