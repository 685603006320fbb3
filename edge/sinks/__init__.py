"""Outputs of the loop. Each is a context manager that yields a function of results or of events."""
