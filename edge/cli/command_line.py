"""One way to make a command line out of dataclasses, shared by edge, train and calibrate.

Each command is a frozen dataclass and a function that takes it. The fields are the flags
and the keys of the YAML file given with ``--config``; flags win over the file. The string
under a field is its help.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from argparse import Action, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, NoReturn, get_args, get_type_hints

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace, set_loader, set_parsing_settings

from edge.cli.arguments import completed
from edge.cli.config_file import read_flags
from edge.cli.console import console
from edge.cli.exit_codes import INTERRUPTED, USER_ERROR
from edge.cli.sigint import raise_on_sigint
from edge.cli.standard_streams import flushed_stdout, writing_stdout
from edge.cli.usage_errors import usage_error
from edge.contract.errors import MissingDependency, OutputError, SkdError

SYSTEM_REFUSALS = {
    errno.EACCES: "change its rights or those of its folder, or run this as a user who has them",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.ENFILE: "close other programs, or allow more open files",
    errno.EIO: "the disk or card does not answer: check it, and copy the file again",
    errno.ESTALE: "the network drive has lost it: mount it again",
}
"""What to do where the system refuses as much as to look at a file, or has no room for one more that is open.

Whoever reads or writes a file tells the rest, and better: see edge/contract/reading.py and files.py.
"""

NO_THREAD = "can't start new thread"
"""Python has no kind of error for it."""

set_parsing_settings(docstring_parse_attribute_docstrings=True)
set_loader("yaml", read_flags, (yaml.YAMLError,))


@dataclass(frozen=True)
class Command:
    """A sub-command: the dataclass that configures it, what it does, and examples for ``--help``."""

    config: type
    function: Callable[[Any], object]
    summary: str
    examples: Sequence[str] = ()


def with_extra(extra: str, function: Callable[[Any], object]) -> Callable[[Any], None]:
    """The function, with a package that is not installed turned into one line that says how to get it."""

    def run(config: Any) -> None:
        try:
            function(config)
        except ModuleNotFoundError as error:
            raise MissingDependency(
                error.name or "?", needed_for="this command", install=f"pip install 'skd-edge[{extra}]'"
            ) from error

    return run


class _HelpFormatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the line breaks of the examples, and says Path where jsonargparse says <class 'Path'>."""

    def _expand_help(self, action: Action) -> str:
        return re.sub(r"<class '(\w+)'>", r"\1", super()._expand_help(action))


class _Parser(ArgumentParser):
    """Errors on one line, without the usage block that buries them."""

    commands: Sequence[str] = ()

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        what, command = usage_error(message, self.commands)
        _fail(f"{what}; see `{' '.join(filter(None, (self.prog, command)))} --help`")

    def _print_message(self, message: str, file: object = None) -> None:
        """The help. argparse says nothing where it cannot be written."""
        with writing_stdout():
            sys.stdout.write(message)


def _fail(message: str) -> NoReturn:
    console.print("error:", " ".join(message.split()))
    raise SystemExit(USER_ERROR)


def _require_text(argv: Sequence[str]) -> None:
    """A name in another encoding, from an old disk say, breaks libraries that are not written in Python."""
    for word in argv:
        try:
            word.encode()
        except UnicodeEncodeError:
            encoding = sys.getfilesystemencoding()
            _fail(f"{word!a} is not text in {encoding}, which names have here; rename it, or set LC_ALL=C.UTF-8")


def _require_values(config: type, given: Namespace, prefix: str = "") -> None:
    """Of a YAML file jsonargparse takes ``threads:`` without a value for None, and ``pose: 3`` where keys belong below
    ``pose``, with which the dataclass cannot be made, or means something else."""
    for name, kind in get_type_hints(config).items():
        if not (isinstance(kind, type) and is_dataclass(kind)):
            if given[name] is None and type(None) not in get_args(kind):
                _fail(f"{prefix}{name} has no value; give one, or leave the key out")
            continue
        if not isinstance(given[name], Namespace):
            _fail(f"{prefix}{name} takes keys of its own below it, not {given[name]!r}")
        _require_values(kind, given[name], f"{prefix}{name}.")


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _parser(program: str, about: str, commands: Mapping[str, Command]) -> _Parser:
    # Sub-commands are shown with the formatter of their parent.
    parser = _Parser(prog=f"python -m {program}", description=about, allow_abbrev=False, formatter_class=_HelpFormatter)
    parser.commands = tuple(commands)
    subcommands = parser.add_subcommands(required=True, dest="command")
    for name, command in commands.items():
        # Every flag is listed below with its meaning; here forty lines of them would come first.
        needed = (f"--{f.name} {f.name.upper()} " for f in fields(command.config) if _is_needed(f))
        sub = _Parser(
            usage=f"python -m {program} {name} {''.join(needed)}[options]",
            allow_abbrev=False,
            description=command.summary,
            epilog="\n  ".join(("examples:", *command.examples)) if command.examples else None,
        )
        sub.add_argument("--config", action="config", help="YAML file with any of the keys below; flags win over it")
        sub.add_class_arguments(command.config, as_group=False)
        subcommands.add_subcommand(name, sub, help=command.summary)
        sub.prog = f"python -m {program} {name}"
    return parser


def run_command_line(program: str, about: str, commands: dict[str, Command], argv: Sequence[str] | None = None) -> None:
    """Parse ``argv`` and run one command. A user's error is one line on stderr and exit code 2."""
    parser = _parser(program, about, commands)
    given = sys.argv[1:] if argv is None else argv
    _require_text(given)
    try:
        with flushed_stdout():  # for --print_config
            args = parser.parse_args(completed(given, {name: command.config for name, command in commands.items()}))
    except UnicodeDecodeError as error:  # jsonargparse reads YAML files without asking whether they are text
        _fail(f"the configuration file is not text: {error}; give a YAML file in UTF-8")
    except RecursionError:
        _fail("the configuration file is nested too deeply, or has an alias that refers to itself; write it flat")
    except OutputError as error:
        _fail(str(error))
    command = commands[args.command]
    _require_values(command.config, args[args.command])
    raise_on_sigint()
    try:
        options = dict(parser.instantiate(args)[args.command])
        options.pop("config", None)
        command.function(command.config(**options))
    except KeyboardInterrupt:
        _interrupted()
    except Exception as error:
        if _came_of_ctrl_c(error):
            _interrupted()
        if (line := _in_words(error)) is None:
            raise
        _fail(line)


def _interrupted() -> NoReturn:
    console.print("interrupted")
    raise SystemExit(INTERRUPTED) from None


def _came_of_ctrl_c(error: BaseException | None) -> bool:
    """What is interrupted while a library not written in Python is loaded comes out as an ImportError."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _in_words(error: Exception) -> str | None:
    """What a user can mend, on one line; None for a mistake of our own."""
    if isinstance(error, SkdError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None and error.errno in SYSTEM_REFUSALS:
        return f"{os.fsdecode(error.filename)}: {error.strerror}; {SYSTEM_REFUSALS[error.errno]}"
    if isinstance(error, MemoryError):
        return f"there is not enough memory: {str(error) or 'Python gives no size'}; close other programs, or add swap"
    if isinstance(error, RuntimeError) and str(error) == NO_THREAD:
        return "the system starts no more threads here; allow more: ulimit -u, or a container's --pids-limit"
    return None
