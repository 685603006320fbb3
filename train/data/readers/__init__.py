"""Published datasets and the user's own: one reader a file, and what readers share."""
