"""Detects a stage that hangs: a call into a driver may never return, and nothing else would notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class StageWatchdog:
    """Tracks which call each stage is in; a watchdog thread calls :meth:`check` at intervals.

    Checks are counted instead of seconds: a process that was suspended for an hour has not checked meanwhile.
    """

    def __init__(self) -> None:
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

    def check(self, max_checks: float) -> list[str]:
        """The stages found in the same call by more than ``max_checks`` checks in a row, this one included."""
        before, self._checked = self._checked, {}
        for stage, call in list(self._running.items()):
            last_call, checks = before.get(stage, (None, 0))
            self._checked[stage] = (call, checks + 1 if last_call is call else 1)
        return [stage for stage, (_, checks) in self._checked.items() if checks > max_checks]
