"""How commands end, 0 aside."""

from __future__ import annotations

import signal

FAILED = 1
"""What was to be checked was checked, and is not as it should be."""
USER_ERROR = 2
"""One line on stderr says what the user can mend."""
INTERRUPTED = 128 + signal.SIGINT
READER_LEFT = 128 + signal.SIGPIPE
"""What a shell's pipe ended, as `head` ends it: nothing went wrong."""
