"""Reword jsonargparse's error messages, which speak of parser keys and Python types."""

from __future__ import annotations

import re
from collections.abc import Sequence

_REWORDED = (
    (r"argument COMMAND: invalid choice: ('\S+') \(choose from (.+)\)", r"unknown command \1; choose from \2"),
    (r"argument (--\S+): expected one argument", r"\1 needs a value; one that begins with - is given as \1=-..."),
    # An optional group of keys, such as data.pairs.estimator_errors.
    (r"Parser key \"(\S+)\": .+ Option '(\S+)' is not accepted .+", r"unknown key '\1.\2'"),
    (r"Group '(\S+)' does not accept option '(\S+)'", r"unknown key '\1.\2'"),
    (r"Option ('\S+') is not accepted", r"unknown key \1"),
    (
        r'Parser key "(\S+)": .+ Parser key "(\S+)": Expected an? (.+?)\. Got value: (.+?) (?:- Expected|Given ).+',
        r"\1.\2 takes \3, not \4",
    ),
    (
        r'Parser key "(\S+)": .+(?:dot import path string|a valid subclass).+ value: (.+)',
        r"\1 needs keys below it, not \2",
    ),
    (
        r'Parser key "(\S+)": Does not validate against any of the Union subtypes Subtypes: \[(.+?)\] Errors: .+'
        r" Given value type: .+? Given value:(.*)",
        r"\1 takes \2, not\3",
    ),
    (r'Parser key "(\S+)": Expected an? (.+)\. Got value:(.*)', r"\1 takes \2, not\3"),
    (r"(takes .+, not)$", r"\1 an empty text"),
    (
        r"Not of type .+: (?:expected|argument should be) .*str.* os.PathLike object.*, not '?(\w+)'?",
        r"takes a path, not a \1",
    ),
    (
        r"Parser key \"(\S+)\": Unable to load config '(.+)' - Parser key .+",
        r"\1 needs keys below it or a YAML file, not \2",
    ),
    (r'Parser key "(\S+)": (?:.+ - Parser key "\S+": )?(.+)', r"\1: \2"),
    (r"Problems parsing config: (.+)", r"not valid YAML: \1"),
    (r"Unexpected config:.*", r"the configuration file has no keys"),
    (r"<class '(?:\w+\.)*(\w+)'>", r"\1"),
    (r"typing\.Literal\[(.+?)\]", r"\1"),
    (r"\b(?:\w+\.)+Path\b", "Path"),
    (r", NoneType\b", " or null"),
    (r"tuple\[Path, Path\]", "two paths"),
    (r"takes tuple, not", "takes a list in brackets, not"),
    # jsonargparse 4.49 puts it first.
    (r"takes NoneType, (.+), not", r"takes \1 or null, not"),
)


def usage_error(message: str, commands: Sequence[str]) -> tuple[str, str | None]:
    """(the error on one line; the command it concerns, where the message names one)."""
    text = " ".join(message.split())
    if missing := re.fullmatch(r"the following arguments are required: (.+)", text):
        keys = [key.split(".", 1) for key in missing[1].split(", ")]
        return f"missing {', '.join(f'--{key[-1]}' for key in keys)}", keys[0][0]
    if unknown := re.fullmatch(r"Subcommand '(\w+)' does not accept option '(\S+)'", text):
        return f"unknown key {unknown[2]!r}", unknown[1]
    if text.startswith('expected "command" to be one of'):
        return f"no command given; choose from {', '.join(commands)}", None
    for pattern, words in _REWORDED:
        text = re.sub(pattern, words, text)
    return text, None
