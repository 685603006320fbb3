"""Exit codes other than 0."""

from __future__ import annotations

import signal

FAILED = 1
"""A check failed, or some of the videos did."""
USER_ERROR = 2
"""The user can fix it; one line on stderr says how."""
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + signal.SIGPIPE
"""The reader of stdout closed the pipe, as `head` does; not an error."""
