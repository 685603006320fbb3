"""Text about a person's action, for the overlay and the terminal."""

from __future__ import annotations

from edge.contract.types import UNKNOWN, Person


def label_text(person: Person) -> tuple[str, str]:
    """Label and score; the score is empty if there is no label."""
    if not person.followed:
        return "not followed", ""
    if person.action is None:
        return "undecided", ""
    if not person.action.known:
        return UNKNOWN, ""
    return person.action.label.replace("_", " "), f"{100 * person.action.score:.0f} %"
