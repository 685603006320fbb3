"""What make runs in place of Python in test_docs_make.py: the test's own process does the command.

    python -S tests/door.py -m train teacher ...

It has imported everything already; a process of its own for each command would spend most of its time on that.
"""

import socket
import sys

with socket.socket(socket.AF_UNIX) as asked:
    asked.connect("door")
    asked.sendall("\0".join(sys.argv[2:]).encode())
    asked.shutdown(socket.SHUT_WR)
    sys.exit(int(asked.recv(16) or b"1"))
