"""Pairs of good and cheap skeletons from the user's own videos."""
