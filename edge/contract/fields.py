"""Make a dataclass from untrusted values, such as those of a YAML file; an error names the key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml

from edge.contract.errors import ConfigError, SkdError

T = TypeVar("T")
Refused = Callable[..., SkdError]
_KINDS: dict[Any, tuple[str, Any]] = {
    str: ("text", str),
    bool: ("true or false", bool),
    int: ("a whole number", int),
    float: ("a number", (int, float)),
    **dict.fromkeys((tuple, list), ("a list", list)),
    **dict.fromkeys((Mapping, dict), ("a mapping", dict)),
}
"""Type of a field -> its name in messages, and the types of its values in YAML or JSON."""


def read_fields(kind: type[T], raw: Any, refused: Refused, at: str = "") -> T:
    """Return a ``kind`` with the values of ``raw``, which must have exactly its fields as keys.

    refused: makes the error to raise from a message and perhaps a hint. at: dotted key of ``raw`` within the file.
    """
    hints, prefix = get_type_hints(kind), f"{at}." if at else ""
    given = _typed(Mapping, raw, at or "the content", refused)
    if missing := sorted(set(hints) - set(given)):
        raise refused(f"key {prefix + missing[0]!r} is missing")
    if unknown := sorted(str(key) for key in set(given) - set(hints)):
        raise refused(f"unknown key {prefix + unknown[0]!r}", hint="remove it")
    values = {name: _value(hint, given[name], prefix + name, refused) for name, hint in hints.items()}
    try:
        return kind(**values)
    except ConfigError as error:
        raise refused(f"{at}: {error.what}".removeprefix(": "), hint=error.hint) from error


def _value(hint: Any, value: Any, at: str, refused: Refused) -> Any:
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if hint is Any:
        return value
    if kind is Literal:  # the dataclass checks the choice
        return _typed(str, value, at, refused)
    if NoneType in parts:
        return None if value is None else _value(parts[0], value, at, refused)
    if isinstance(kind, type) and is_dataclass(kind):
        return read_fields(kind, value, refused, at)
    value = _typed(kind, value, at, refused)
    if kind in (tuple, list):
        return kind(_value(parts[0], item, f"entry {n} of {at}", refused) for n, item in enumerate(value, start=1))
    if kind in (Mapping, dict):
        keys = [_typed(str, key, f"a key of {at}", refused) for key in value]
        return {key: _value(parts[1], value[key], f"{at}.{key}", refused) for key in keys}
    return value


def _typed(kind: Any, value: Any, at: str, refused: Refused) -> Any:
    name, types = _KINDS[kind]
    try:
        if isinstance(value, types) and (kind is bool or not isinstance(value, bool)):
            if kind is float:
                float(value)
            return value
    except OverflowError:  # of a whole number with hundreds of digits
        pass
    try:  # as in the file: null and true, not None and True
        shown = yaml.safe_dump(value, default_flow_style=True).splitlines()[0]
    except yaml.YAMLError:  # not of YAML or JSON
        shown = f"a {type(value).__name__}"
    message = f"{at} must be {name}, not {shown:.60}"
    if kind is str and not isinstance(value, dict | list):
        # YAML reads no and on as truth values, and 1 as a number.
        raise refused(message, hint="write it in quotes")
    raise refused(message)
