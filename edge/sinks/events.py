"""What begins and ends, as one JSON object a line."""

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
    """Writes each event with kind, time_s and what else it has. Raises OutputError where the file cannot be written."""
    with line_writer(path) as write:
        yield lambda event: write(json.dumps(event_record(event)))
