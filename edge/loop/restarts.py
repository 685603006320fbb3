"""Reopen a stage's component after a failure, within a budget of restarts; then end the run with the cause."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from edge.contract.errors import DeviceLostError, StageError
from edge.contract.intervals import require_in


@dataclass(frozen=True)
class RestartConfig:
    """How many failures of a stage are tolerated."""

    restarts: int = 3
    """Restarts of the pose or the action stage within the window; one failure more ends the run."""
    within_s: float = 60.0
    """Length of the window in seconds."""

    def __post_init__(self) -> None:
        require_in(self, restarts="[0, inf)", within_s="(0, inf]")


class Closable(Protocol):
    def close(self) -> None: ...


Component = TypeVar("Component", bound=Closable, covariant=True)


class Restartable(Generic[Component]):
    """The component that a stage runs, for example a pose estimator; reopened after a failure.

    stage: its name in messages. warn: receives a message about each failure.
    """

    def __init__(
        self,
        stage: str,
        open_component: Callable[[], Component],
        config: RestartConfig,
        warn: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage, self._open, self._config, self._warn, self._clock = stage, open_component, config, warn, clock
        self._component: Component | None = open_component()
        self._failure_times: deque[float] = deque()

    def get(self) -> Component:
        """The component, reopened if it failed. Raises what opening raises."""
        if self._component is None:
            self._component = self._open()
        return self._component

    def record_failure(self, error: Exception) -> str:
        """Close the failed component. Returns a description.

        Raises StageError if no restart can help, or the restart budget is spent.
        """
        if isinstance(error, DeviceLostError):
            raise StageError(f"the {self._stage} stage cannot go on: {error}") from error
        now = self._clock()
        self._failure_times.append(now)
        while now - self._failure_times[0] > self._config.within_s:
            self._failure_times.popleft()
        self.close()
        count, window = len(self._failure_times), f"{self._config.within_s:g} s"
        if count > self._config.restarts:
            raise StageError(
                f"the {self._stage} stage failed {count} times within {window}; the last time: {error}",
                hint="fix the cause, or allow more with restarts.restarts",
            ) from error
        self._warn(
            f"the {self._stage} stage failed and is restarted "
            f"({count} of {self._config.restarts} within {window}): {error}"
        )
        return f"{self._stage}: {error}"

    def close(self) -> None:
        component, self._component = self._component, None
        if component is not None:
            try:
                component.close()
            except Exception as error:  # noqa: BLE001 a failed component may fail to close; the first cause matters
                self._warn(f"the {self._stage} stage does not close: {error}")
