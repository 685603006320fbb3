"""Stands in for Python when test_docs_make.py runs make: forwards the command to the test's own process.

    python -S tests/forward_python.py -m train teacher ...

That process has imported everything already, which would take most of the time of a new process per command.
"""

import socket
import sys

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect("python.sock")
    connection.sendall("\0".join(sys.argv[2:]).encode())
    connection.shutdown(socket.SHUT_WR)
    sys.exit(int(connection.recv(16) or b"1"))
