"""How long each person did each action."""

from __future__ import annotations

from collections import defaultdict

from rich.table import Table

from edge.contract.types import FrameResult

UNDECIDED, NOT_FOLLOWED = "(undecided)", "(not followed)"

MAX_PEOPLE = 1000
"""Of more, those seen longest ago are forgotten: a loop that runs for months must not grow."""

MAX_GAP_S = 0.5
"""A longer gap between two frames of a person counts for no action."""


class ActionTimes:
    """Sums the seconds from frame to frame by person and label."""

    def __init__(self) -> None:
        self.seconds: dict[int, dict[str, float]] = {}
        """Track id -> label -> seconds."""
        self._last_s: dict[int, float] = {}

    def add(self, result: FrameResult) -> None:
        """Add a frame, later than the previous one."""
        now_s = result.frame.time_s
        for person in result.people:
            label = person.action.label if person.action else UNDECIDED if person.followed else NOT_FOLLOWED
            elapsed_s = now_s - self._last_s.get(person.track_id, now_s)
            by_label = self.seconds.setdefault(person.track_id, defaultdict(float))
            by_label[label] += elapsed_s if elapsed_s <= MAX_GAP_S else 0.0
            self._last_s[person.track_id] = now_s
            if len(self.seconds) > MAX_PEOPLE:
                oldest = min(self._last_s, key=self._last_s.__getitem__)
                del self.seconds[oldest], self._last_s[oldest]

    def table(self) -> Table:
        """One row per person and label, each person's longest action first."""
        table = Table("person", "action", title="Actions", title_justify="left")
        table.add_column("seconds", justify="right")
        for track_id, by_label in sorted(self.seconds.items()):
            # A person seen in one frame only has no duration.
            longest_first = sorted((item for item in by_label.items() if item[1] >= 0.05), key=lambda item: -item[1])
            for n, (label, seconds) in enumerate(longest_first):
                table.add_row(f"#{track_id}" if n == 0 else "", label.replace("_", " "), f"{seconds:.1f}")
        return table
