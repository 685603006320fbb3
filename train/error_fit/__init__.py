"""What a cheap pose estimator does wrong, fitted to pairs of videos."""
