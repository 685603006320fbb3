"""Bounded queues between the stages of the loop: they block instead of polling, and can be closed from any thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class QueueClosed(Exception):
    """Raised by ``put`` after the queue was closed or aborted."""


class BoundedQueue(Generic[Item]):
    """A FIFO queue with one producer and one consumer, which iterates over it; no item is dropped.

    capacity: items that may wait. With 0 it is a rendezvous: ``put`` returns once the consumer has taken the item. The
    producer then starts its next item only after the consumer has started this one, so that no item ages in between.
    """

    def __init__(self, capacity: int = 0) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item, *, notify: bool = True) -> None:
        """Append an item; blocks while the queue is full. Raises QueueClosed after :meth:`close` or :meth:`abort`.

        notify: False leaves a sleeping consumer asleep until :meth:`notify`, or until a ``put`` finds the queue full.
        """
        with self._changed:
            if not self._can_put():
                self._changed.notify_all()
                self._changed.wait_for(self._can_put)
            if self._closed:
                raise QueueClosed
            self._items.append(item)
            if notify:
                self._changed.notify_all()
            if self._capacity == 0:
                self._changed.wait_for(lambda: not self._items)
                if self._closed:
                    raise QueueClosed

    def notify(self) -> None:
        """Wake the consumer if an item is waiting; from any thread."""
        with self._changed:
            if self._items:
                self._changed.notify_all()

    @property
    def has_items(self) -> bool:
        """Whether an item is waiting at this moment."""
        return bool(self._items)

    def _can_put(self) -> bool:
        return self._closed or len(self._items) < max(self._capacity, 1)

    def __iter__(self) -> Iterator[Item]:
        """Yield items until the queue is closed and empty, or aborted."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._items)
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def close(self) -> None:
        """Refuse new items; those in the queue are still consumed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Refuse new items and discard those in the queue."""
        with self._changed:
            self._items.clear()
            self.close()


class LatestQueue(BoundedQueue[Item]):
    """Holds the latest item only: ``put`` replaces one that nobody has taken yet. dropped: items so replaced."""

    def __init__(self) -> None:
        super().__init__(1)
        self.dropped = 0

    def put(self, item: Item, *, notify: bool = True) -> None:
        """Replace the waiting item; never blocks. Raises QueueClosed as BoundedQueue does."""
        with self._changed:
            if not self._closed:
                self.dropped += len(self._items)
                self._items.clear()
            super().put(item)
