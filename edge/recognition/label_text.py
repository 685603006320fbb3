"""What is said about a person, in the overlay and in the terminal alike."""

from __future__ import annotations

from edge.contract.types import UNKNOWN, Person


def label_text(person: Person) -> tuple[str, str]:
    """What they do, and how sure that is: nothing where it is no label."""
    if not person.followed:
        return "not followed", ""
    if person.action is None:
        return "watching", ""
    if not person.action.known:
        return UNKNOWN, ""
    return person.action.label.replace("_", " "), f"{100 * person.action.score:.0f} %"
