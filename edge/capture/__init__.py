"""Sources of frames: files, image folders, cameras, network streams, stdin and recorded poses."""
