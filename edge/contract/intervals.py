"""Ranges of settings as intervals: [0, 1) is 0 <= x < 1."""

from __future__ import annotations

from edge.contract.errors import ConfigError


def require_in(config: object, **intervals: str) -> None:
    """Raise ConfigError for a field of ``config`` outside its interval; of a tuple, each number counts.

    A field that is None is not checked.
    """
    for name, interval in intervals.items():
        value = getattr(config, name)
        low, high = (float(end) for end in interval[1:-1].split(","))
        for number in value if isinstance(value, tuple) else (value,):
            if number is None:
                continue
            above = low <= number if interval.startswith("[") else low < number
            below = number <= high if interval.endswith("]") else number < high
            if not (above and below):
                raise ConfigError(f"{name} is {number}", hint=f"give a number in {interval}")
