"""The camera loop: capture, pose and action stage, each on a thread of its own. Begin with pipeline.py."""
