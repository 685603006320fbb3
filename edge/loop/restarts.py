"""A stage that fails is started again, so many times in so many seconds; then the run ends with the cause."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from edge.contract.errors import ConfigError, StageError


@dataclass(frozen=True)
class RestartConfig:
    """How many failures of a stage are tolerated."""

    restarts: int = 3
    """Restarts of the pose or the action stage within the window; one failure more ends the run."""
    within_s: float = 60.0
    """Length of the window in seconds, by a monotonic clock."""

    def __post_init__(self) -> None:
        if self.restarts < 0 or not self.within_s > 0:
            raise ConfigError("restarts: restarts starts at 0, within_s is above 0")


class Closable(Protocol):
    def close(self) -> None: ...


Part = TypeVar("Part", bound=Closable, covariant=True)


class Restartable(Generic[Part]):
    """What a stage works with, opened anew after a failure.

    stage: its name for people. say: told about each failure.
    """

    def __init__(
        self,
        stage: str,
        open_part: Callable[[], Part],
        config: RestartConfig,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage, self._open, self._config, self._say, self._clock = stage, open_part, config, say, clock
        self._part: Part | None = open_part()
        self._recent: deque[float] = deque()

    def get(self) -> Part:
        """The part at work, opened where the last one failed. Raises what opening raises."""
        if self._part is None:
            self._part = self._open()
        return self._part

    def record_failure(self, error: Exception) -> str:
        """One failure: the part is closed. Gives what to say of it; raises StageError when the budget is spent."""
        now = self._clock()
        self._recent.append(now)
        while now - self._recent[0] > self._config.within_s:
            self._recent.popleft()
        self.close()
        count, window = len(self._recent), f"{self._config.within_s:g} s"
        if count > self._config.restarts:
            raise StageError(
                f"the {self._stage} stage failed {count} times within {window}; the last time: {error}",
                hint="mend the cause, or allow more with restarts.restarts",
            ) from error
        self._say(
            f"the {self._stage} stage failed and is started again "
            f"({count} of {self._config.restarts} within {window}): {error}"
        )
        return f"{self._stage}: {error}"

    def close(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            try:
                part.close()
            except Exception as error:  # noqa: BLE001 what is broken may not close either; the first cause matters
                self._say(f"the {self._stage} stage does not close: {error}")
