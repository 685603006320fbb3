"""Where results go: each output is a context manager that gives a function of results or events."""
