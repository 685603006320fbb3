"""Sources of frames, by what a user writes: a file, a folder, a camera, an address."""
