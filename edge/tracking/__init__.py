"""Who is who from frame to frame, and who of them is followed."""
