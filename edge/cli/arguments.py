"""Shorthands on the command line: a bare boolean flag, a list without brackets, a value that begins with ``-?``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from itertools import takewhile
from typing import get_args, get_origin, get_type_hints


def expand_shorthands(argv: Sequence[str], configs: Mapping[str, type]) -> list[str]:
    """Rewrite ``argv`` to what jsonargparse accepts. configs: command name -> dataclass of its flags."""
    words = _join_dash_values(argv)
    config = configs.get(words[0]) if words else None
    return words if config is None else _expand_booleans(_bracket_lists(words, config), config)


def _join_dash_values(argv: Sequence[str]) -> list[str]:
    """``--source '-?width=640'`` becomes ``--source=-?width=640``, or argparse would read the value as a flag."""
    joined: list[str] = []
    for word in argv:
        if word.startswith("-?") and joined and joined[-1].startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _bracket_lists(argv: Sequence[str], config: type) -> list[str]:
    """``--compare a.json b.json`` becomes ``--compare ["a.json", "b.json"]``, for tuple fields only."""
    types = get_type_hints(config)
    # Also tuple[...] | None.
    tuples = {f"--{name}" for name, kind in types.items() if tuple in [get_origin(k) for k in (kind, *get_args(kind))]}
    words: list[str] = []
    rest = list(argv)
    while rest:
        words.append(rest.pop(0))
        values = list(takewhile(lambda word: not word.startswith("--"), rest)) if words[-1] in tuples else []
        if len(values) > 1:
            words.append(json.dumps(values))
            del rest[: len(values)]
    return words


def _expand_booleans(argv: Sequence[str], config: type) -> list[str]:
    """``--sinks.show`` becomes ``--sinks.show true``, for boolean fields only."""
    booleans = set(_boolean_flags(config))
    words: list[str] = []
    for word, following in zip(argv, [*argv[1:], "--"], strict=False):
        words += [word, "true"] if word in booleans and following.startswith("--") else [word]
    return words


def _boolean_flags(config: type, prefix: str = "--") -> Iterator[str]:
    for name, kind in get_type_hints(config).items():
        if isinstance(kind, type) and is_dataclass(kind):
            yield from _boolean_flags(kind, f"{prefix}{name}.")
        elif bool in (kind, *get_args(kind)):
            yield prefix + name
