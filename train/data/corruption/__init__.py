"""Low quality from high quality: what a cheap estimator does to a skeleton. One way a file."""
