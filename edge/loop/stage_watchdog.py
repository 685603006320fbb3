"""Detect a stage that hangs: a call into a driver may never return, and nothing else would notice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

STAGE_TIMEOUT_S = 300.0
"""A stage that works on a single frame for this long hangs."""

STOP_TIMEOUT_S = 8.0
"""The same once the run is stopping; also how long a stage's thread may take to end."""

CHECK_INTERVAL_S = 1.0


class StageWatchdog:
    """Checks at intervals which call each stage is in. expired: it has found a stage that hangs.

    Checks are counted instead of seconds: a process that was suspended for an hour has not checked meanwhile.
    """

    def __init__(self) -> None:
        self.expired = False
        self._running: dict[str, object] = {}
        self._checked: dict[str, tuple[object, int]] = {}

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Mark one call of a stage, on the stage's own thread."""
        self._running[stage] = object()
        try:
            yield
        finally:
            del self._running[stage]

    def watch(self, stopping: threading.Event, done: threading.Event, on_hang: Callable[[str, float], None]) -> None:
        """Check until ``done`` or until a stage hangs; then call ``on_hang`` with its name and the timeout."""
        while not done.wait(CHECK_INTERVAL_S):
            timeout_s = STOP_TIMEOUT_S if stopping.is_set() else STAGE_TIMEOUT_S
            if hanging := self._check(timeout_s / CHECK_INTERVAL_S):
                self.expired = True
                on_hang(hanging[0], timeout_s)
                return

    def join(self, threads: Sequence[threading.Thread]) -> list[str]:
        """Wait for the threads of stages that were told to end. Returns the names of those that hang."""
        deadline = time.monotonic() + (CHECK_INTERVAL_S if self.expired else STOP_TIMEOUT_S)
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(deadline - time.monotonic(), 0.0))
        return [thread.name for thread in threads if thread.is_alive()]

    def _check(self, max_checks: float) -> list[str]:
        """The stages found in the same call by more than ``max_checks`` checks in a row, this one included."""
        before, self._checked = self._checked, {}
        for stage, call in list(self._running.items()):
            last_call, checks = before.get(stage, (None, 0))
            self._checked[stage] = (call, checks + 1 if last_call is call else 1)
        return [stage for stage, (_, checks) in self._checked.items() if checks > max_checks]
