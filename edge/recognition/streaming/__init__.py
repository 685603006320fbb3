"""The student frame by frame: each new frame costs one step of a network that keeps its past in states."""
