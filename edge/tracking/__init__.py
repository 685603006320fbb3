"""Track people from frame to frame, and select who is followed."""
