"""What flags may leave out: a yes, the brackets of a list, a sign before what begins with a dash."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from itertools import takewhile
from typing import get_args, get_origin, get_type_hints


def completed(argv: Sequence[str], configs: Mapping[str, type]) -> list[str]:
    """The words of a command line as jsonargparse reads them. configs: name of a command -> dataclass of its flags."""
    words = _joined(argv)
    config = configs.get(words[0]) if words else None
    return words if config is None else _switched(_listed(words, config), config)


def _joined(argv: Sequence[str]) -> list[str]:
    """``--source '-?width=640'`` as ``--source=-?width=640``: argparse takes the value for another flag."""
    joined: list[str] = []
    for word in argv:
        if word.startswith("-?") and joined and joined[-1].startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _listed(argv: Sequence[str], config: type) -> list[str]:
    """``--compare a.json b.json`` as ``--compare ["a.json", "b.json"]``, for fields of several values alone."""
    kinds = get_type_hints(config)
    # The type itself, or a part of "tuple[...] | None".
    several = {f"--{name}" for name, kind in kinds.items() if tuple in [get_origin(k) for k in (kind, *get_args(kind))]}
    listed: list[str] = []
    rest = list(argv)
    while rest:
        listed.append(rest.pop(0))
        values = list(takewhile(lambda word: not word.startswith("--"), rest)) if listed[-1] in several else []
        if len(values) > 1:
            listed.append(json.dumps(values))
            del rest[: len(values)]
    return listed


def _switched(argv: Sequence[str], config: type) -> list[str]:
    """``--sinks.show`` as ``--sinks.show true``, for fields of yes or no alone."""
    switches = set(_switches(config))
    switched: list[str] = []
    for word, following in zip(argv, [*argv[1:], "--"], strict=False):
        switched += [word, "true"] if word in switches and following.startswith("--") else [word]
    return switched


def _switches(config: type, prefix: str = "--") -> Iterator[str]:
    for name, kind in get_type_hints(config).items():
        if isinstance(kind, type) and is_dataclass(kind):
            yield from _switches(kind, f"{prefix}{name}.")
        elif bool in (kind, *get_args(kind)):
            yield prefix + name
