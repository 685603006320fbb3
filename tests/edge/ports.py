"""A port for a server that a test starts, ends and starts again."""

import random
import socket


def free_port() -> int:
    """Below those that the system hands out, which anybody may be given until the server takes it."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
