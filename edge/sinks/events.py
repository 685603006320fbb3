"""Write events, one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.contract.types import Event
from edge.sinks.json_lines import event_record
from edge.sinks.lines import line_writer


@contextmanager
def events_sink(path: Path) -> Iterator[Callable[[Event], None]]:
    """Write each event's kind, time_s and the other fields it has. Raises OutputError if the file cannot be written."""
    with line_writer(path) as write:
        yield lambda event: write(json.dumps(event_record(event)))
