"""A port for a server that a test stops and restarts."""

import random
import socket


def free_port() -> int:
    """A free port below the ephemeral range, so that the system gives it to nobody else meanwhile."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
