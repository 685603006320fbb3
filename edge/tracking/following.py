"""Who of the people in view is followed: everybody, or one person, chosen by a rule and kept until they have left.

An estimator that sees one person, or a label that is taken from "the" person, switches between people in silence
where two are in view. Here the choice has a rule and a number, holds as long as the tracker knows that person, and a
new choice is an event.
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
    """Who of the people in view decisions are made about."""

    follow: str = ALL
    """all; or one person, until they have left: largest, centre (of the frame), first (who came first), or a track
    number. Others are drawn, and nothing is decided about them."""

    def __post_init__(self) -> None:
        known = (ALL, *RULES)
        if self.follow not in known and not (self.follow.isdecimal() and int(self.follow) > 0):
            raise ConfigError(
                f"people.follow is {self.follow!r}", hint=f"it is {', '.join(known)}, or a person's number from 1 on"
            )

    @property
    def number(self) -> int | None:
        """The one person who is followed whatever happens, where the rule is a number."""
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
"""Of a person's number, pose and the frame's size (width, height) in pixels; the greatest value is chosen."""


class Follower:
    """Keeps whom the rule chose. track_id: that person, in view or not; None where it is everybody or nobody yet."""

    def __init__(self, config: PeopleConfig) -> None:
        self._config = config
        self.track_id = config.number

    def update(
        self, found: Sequence[tuple[int, Pose]], known: set[int], size: tuple[int, int]
    ) -> tuple[set[int], bool]:
        """Who of those in view is followed, and whether somebody else is from now on.

        found: people in view. known: track ids of these and of who is out of view for a moment. size: of the
        frame, (width, height) in pixels. Of equals the one with the lower number is chosen.
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
        """For people; None where everybody is followed."""
        return None if self._config.follow == ALL else Following(self._config.follow, self.track_id)
