"""What the stages are at: a network may never come back from its driver, and nothing else would ever say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Turns of stages, each on its own thread, as another thread finds them when it looks now and then.

    Looks are counted instead of seconds: a process that was stopped for an hour has not looked either.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, object] = {}
        self._found: dict[str, tuple[object, int]] = {}

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Around one turn."""
        self._under_way[stage] = object()
        try:
            yield
        finally:
            del self._under_way[stage]

    def look(self, most: float) -> list[str]:
        """The stages that more than so many looks in a row, this one too, have found at one and the same turn."""
        before, self._found = self._found, {}
        for stage, turn in list(self._under_way.items()):
            last, looks = before.get(stage, (None, 0))
            self._found[stage] = (turn, looks + 1 if last is turn else 1)
        return [stage for stage, (_, looks) in self._found.items() if looks > most]
