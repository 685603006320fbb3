"""From one stage to the next: a place where the faster of the two waits, and nobody spins."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Stopped(Exception):
    """Nobody takes what is handed on any more."""


class Handoff(Generic[Item]):
    """Items in the order they were put, each taken by one taker; nothing is lost.

    depth: items that may wait. With 0 a ``put`` returns once its item was taken: a stage then begins
    its next item only when the stage after it has begun this one, and no item grows old in between.
    """

    def __init__(self, depth: int = 0) -> None:
        self._depth = depth
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ended = self._stopped = self._is_quiet = False
        self._taken = self._given = 0

    def put(self, item: Item, *, quietly: bool = False) -> None:
        """Waits for room. Raises Stopped after :meth:`end` and :meth:`stop`.

        quietly: a taker that sleeps is left to sleep until :meth:`announce`, or until there is no room for the next.
        """
        with self._changed:
            if not self._has_room():
                self._changed.notify_all()
                self._changed.wait_for(self._has_room)
            if self._stopped or self._ended:
                raise Stopped
            self._items.append(item)
            self._given += 1
            ticket = self._given
            self._is_quiet = quietly
            if not quietly:
                self._changed.notify_all()
            if self._depth == 0:
                self._changed.wait_for(lambda: self._stopped or self._taken >= ticket)
                if self._taken < ticket:
                    raise Stopped

    def announce(self) -> None:
        """Wake the taker of what was put quietly, if anything was; from any thread."""
        with self._changed:
            if self._is_quiet:
                self._is_quiet = False
                self._changed.notify_all()

    @property
    def is_any_waiting(self) -> bool:
        """Whether an item can be taken at once, at this moment."""
        return bool(self._items)

    def _has_room(self) -> bool:
        return self._stopped or self._ended or len(self._items) < max(self._depth, 1)

    def __iter__(self) -> Iterator[Item]:
        """Items until the giver ended and none is left, or somebody stopped."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._ended or self._items)
                if self._stopped or not self._items:
                    return
                item = self._items.popleft()
                self._taken += 1
                self._changed.notify_all()
            yield item

    def end(self) -> None:
        """Nothing more is given; what waits is still taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Now, and whatever waits is left."""
        with self._changed:
            self._stopped = True
            self._items.clear()
            self._changed.notify_all()


class Newest(Handoff[Item]):
    """Keeps the newest item only, for what is worth nothing once it is old. dropped: items nobody took."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0

    def put(self, item: Item, *, quietly: bool = False) -> None:
        """Never waits."""
        with self._changed:
            if self._stopped or self._ended:
                raise Stopped
            self.dropped += len(self._items)
            self._items.clear()
            self._items.append(item)
            self._changed.notify_all()
