"""Select the people about whom decisions are made: everybody, or one person chosen by a rule until they have left.

Without a rule the label of "the" person would switch silently between two people in view. A person selected here is
followed for as long as the tracker knows them, and a new selection is an event.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.contract.box import bounding_box
from edge.contract.errors import ConfigError
from edge.contract.types import Following, Pose

ALL = "all"


@dataclass(frozen=True)
class PeopleConfig:
    """The people about whom decisions are made."""

    follow: str = ALL
    """all; or one person, until they have left: largest, centre (of the frame), first (who came first), or a track
    number. Others are drawn, without decisions."""

    def __post_init__(self) -> None:
        known = (ALL, *RULES)
        if self.follow not in known and not (self.follow.isdecimal() and int(self.follow) > 0):
            raise ConfigError(f"follow is {self.follow!r}", hint=f"give {', '.join(known)}, or a track number from 1")

    @property
    def number(self) -> int | None:
        """The track id to follow; None for a rule."""
        return int(self.follow) if self.follow.isdecimal() else None


def _largest(track_id: int, pose: Pose, size: tuple[int, int]) -> float:
    left, top, right, bottom = bounding_box(pose.keypoints)
    return (right - left) * (bottom - top)


def _centre(track_id: int, pose: Pose, size: tuple[int, int]) -> float:
    left, top, right, bottom = bounding_box(pose.keypoints)
    return -math.hypot((left + right - size[0]) / 2, (top + bottom - size[1]) / 2)


def _first(track_id: int, pose: Pose, size: tuple[int, int]) -> float:
    return -track_id


RULES: dict[str, Callable[[int, Pose, tuple[int, int]], float]] = {
    "largest": _largest,
    "centre": _centre,
    "first": _first,
}
"""Values of a track id, pose and frame size (width, height) in pixels; the person with the greatest is selected."""


class Follower:
    """Keeps the person that the rule selected.

    track_id: of that person, in view or not; None for everybody, and before anybody is selected.
    """

    def __init__(self, config: PeopleConfig) -> None:
        self._config = config
        self.track_id = config.number

    def update(
        self, found: Sequence[tuple[int, Pose]], known: set[int], size: tuple[int, int]
    ) -> tuple[set[int], bool]:
        """Track ids of the people in view who are followed, and whether the selection has changed.

        found: people in view. known: track ids of these and of people out of view for a moment. size: of the frame,
        (width, height) in pixels. Of equal people the one with the lower track id is selected.
        """
        if self._config.follow == ALL:
            return {track_id for track_id, _ in found}, False
        before = self.track_id
        if self._config.number is None and self.track_id not in known:
            rule = RULES[self._config.follow]
            best_first = sorted((-rule(track_id, pose, size), track_id) for track_id, pose in found)
            self.track_id = best_first[0][1] if best_first else None
        changed = self.track_id is not None and self.track_id != before
        return {track_id for track_id, _ in found if track_id == self.track_id}, changed

    @property
    def following(self) -> Following | None:
        """The selection, for sinks; None if everybody is followed."""
        return None if self._config.follow == ALL else Following(self._config.follow, self.track_id)
