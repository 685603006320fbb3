"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail", "n/a"]
"""warn: it runs, but slower or with less. fail: it does not run. n/a: does not apply to this machine."""


@dataclass(frozen=True)
class Finding:
    """check: what was checked. found: what is there. fix: the command or step that fixes it."""

    check: str
    status: Status
    found: str
    fix: str | None = None


def not_applicable(check: str, why: str = "only on a Jetson") -> Finding:
    """The finding of a check that does not apply to this machine."""
    return Finding(check, "n/a", why)
