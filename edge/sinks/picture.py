"""The best moment as a picture: most people with an action, then the surest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from edge.contract.errors import ConfigError, OutputError
from edge.contract.files import replacing
from edge.contract.types import FrameResult, Image
from edge.overlay import Overlay
from edge.sinks.sink import Sink

SUFFIXES = (".png", ".jpg", ".jpeg")


@contextmanager
def picture_sink(path: Path, overlay: Overlay) -> Iterator[Sink]:
    """Keeps the best annotated picture and writes it at the end.

    Raises ConfigError for a name that is no picture's, OutputError where the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"a picture cannot be called {path}", hint=f"end it in {', '.join(SUFFIXES)}")
    best: Image | None = None
    best_merit = (-1, 0.0, 0, 0.0)

    def write(result: FrameResult) -> None:
        nonlocal best, best_merit
        if (found := merit(result)) > best_merit:
            best, best_merit = overlay.picture(result), found

    with replacing(path) as partial:
        # Now, so that a place that cannot be written to is known before the run, not after it.
        partial.write_bytes(b"")
        yield write
        if best is None:
            raise OutputError("there was no picture", where=path)
        partial.write_bytes(cv2.imencode(path.suffix, best)[1].tobytes())


def merit(result: FrameResult) -> tuple[int, float, int, float]:
    """People with an action, the sum of their scores, people, the sum of their poses' scores."""
    scores = [person.action.score for person in result.people if person.action]
    return len(scores), sum(scores), len(result.people), sum(person.pose.score for person in result.people)
