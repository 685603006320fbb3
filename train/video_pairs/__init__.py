"""The user's own videos, as a good and as a cheap pose estimator see them."""
