"""The camera loop: capture, pose and action stage, each on its own thread. Start with pipeline.py."""
