"""All outlets of a run as one: opened together or not at all, given everything, ended once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edge.contract.types import Event, FrameResult
from edge.sinks.outlet import Outlet, given_up


class Outlets:
    """What a run gives its results to. See :class:`edge.sinks.outlet.Outlet`."""

    def __init__(self, outlets: Sequence[Outlet]) -> None:
        self._outlets = outlets
        self._ending, self._ended = threading.Lock(), False

    def open(self, on_end: Callable[[], None]) -> None:
        """Open all, in order. on_end: called when one fails or asks for the run's end.

        Raises what opening one raises; those before it keep nothing.
        """
        begun: list[Outlet] = []
        try:
            for outlet in self._outlets:
                outlet.on_end = on_end
                begun.append(outlet)
                outlet.open()
        except BaseException:
            # Those that were not begun have nothing to finish, and are not waited for.
            for outlet in begun:
                outlet.end(failed=True)
            for outlet in begun:
                if outlet.terms.here:
                    outlet.work()
                outlet.join()
            raise

    def work(self) -> None:
        """The work of those that run on this thread, as windows must, until they are ended."""
        for outlet in self._outlets:
            if outlet.terms.here:
                outlet.work()

    def put(self, frame: int, result: FrameResult) -> None:
        """The result of the run's n-th frame; waits for those that must miss nothing."""
        for outlet in self._outlets:
            outlet.put(frame, result)

    def tell(self, event: Event) -> None:
        """An event that comes with no frame; never waits."""
        for outlet in self._outlets:
            outlet.tell(event)

    def end(self, failed: Callable[[], bool]) -> None:
        """Nothing more comes: from any thread, once. failed: whether nothing is to be kept."""
        with self._ending:
            if not self._ended:
                self._ended = True
                is_failed = failed()
                for outlet in self._outlets:
                    outlet.end(failed=is_failed)

    def join(self) -> list[str]:
        """Wait until all are closed; the names of those that hang."""
        return [outlet.name for outlet in self._outlets if not outlet.join()]

    @property
    def error(self) -> Exception | None:
        """What the first of them raised that failed."""
        return next((outlet.error for outlet in self._outlets if outlet.error is not None), None)

    @property
    def unwritten(self) -> tuple[str, ...]:
        """The names of those that failed."""
        return tuple(outlet.name for outlet in self._outlets if outlet.error is not None)

    @property
    def given_up(self) -> dict[str, int]:
        """What those that were too slow were not given: see :func:`edge.sinks.outlet.given_up`."""
        return given_up(self._outlets)
