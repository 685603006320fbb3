"""What one check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail", "n/a"]
"""warn: it runs, but slower or with less than it could. fail: it does not run. n/a: this machine has no such thing."""


@dataclass(frozen=True)
class Finding:
    """check: what was looked at. found: what is there. mend: the command, or step, that mends it."""

    check: str
    status: Status
    found: str
    mend: str | None = None


def not_here(check: str, why: str = "only on a Jetson") -> Finding:
    """A check that does not apply to this machine."""
    return Finding(check, "n/a", why)
