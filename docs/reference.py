"""The reference of every command, from the dataclasses that are its flags and YAML keys. A hook of MkDocs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

from docstring_parser import parse_from_object

import calibrate.__main__
import edge.__main__
import train.__main__
from edge.bench.commands import BENCH_COMMANDS
from edge.cli.command_line import Command

PROGRAMS: dict[str, dict[str, Command]] = {
    "edge": edge.__main__.COMMANDS,
    "edge bench": BENCH_COMMANDS,
    "train": train.__main__.COMMANDS,
    "calibrate": calibrate.__main__.COMMANDS,
}


def reference() -> str:
    """Markdown of all commands."""
    lines = [
        "# Reference",
        "",
        "Every key is a flag (`--pose.name trt_pose`), and a key of the YAML file of `--config`.",
    ]
    for program, commands in PROGRAMS.items():
        for name, command in commands.items():
            lines += ["", f"## python -m {program} {name}", "", command.about, ""]
            if rows := list(keys(command.config)):
                lines += ["| key | default | |", "|---|---|---|", *rows]
            lines += ["", *(f"    {example}" for example in command.examples)]
    return "\n".join(lines) + "\n"


def keys(config: type, prefix: str = "") -> Iterator[str]:
    """One row of a table for each key; keys of a dataclass inside come behind a dot."""
    types, texts = get_type_hints(config), dict[str, str | None]()
    # What a dataclass has from another is explained there.
    for kind in reversed(config.__mro__[:-1]):
        texts |= {p.arg_name: p.description for p in parse_from_object(kind).params}
    for field in fields(config):
        kind = types[field.name]
        if is_dataclass(kind) and isinstance(kind, type):
            yield from keys(kind, f"{prefix}{field.name}.")
        else:
            text = " ".join((texts.get(field.name) or "").split()).replace("|", "\\|")
            yield f"| `{prefix}{field.name}` | {_default(field)} | {text} |"


def _default(field: Any) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return "must be given"
    value = field.default if field.default is not MISSING else field.default_factory()
    return "unset" if value is None else f"`{value}`"


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """MkDocs: the reference is a page that no file holds."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "reference.md", content=reference()))
    return files
