"""Build command lines from dataclasses, for edge, train and calibrate.

Each command is a frozen dataclass and a function that takes it. The dataclass's fields are the flags and the keys of
the YAML file given with ``--config``; flags override the file. The string below a field is its help text.
"""

from __future__ import annotations

import re
import sys
from argparse import SUPPRESS, Action, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib import import_module
from inspect import cleandoc
from typing import Any, NoReturn, get_args, get_type_hints

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace, set_loader, set_parsing_settings

import edge
from edge.cli.arguments import expand_shorthands
from edge.cli.config_file import read_flags
from edge.cli.console import console
from edge.cli.exit_codes import INTERRUPTED, USER_ERROR
from edge.cli.interruption import Interruption, raise_on_signals
from edge.cli.standard_streams import flushed_stdout, writing_stdout
from edge.cli.usage_errors import usage_error
from edge.cli.user_message import caused_by_ctrl_c, user_message
from edge.contract.errors import ConfigError, OutputError
from edge.contract.passwords import without_passwords

set_parsing_settings(docstring_parse_attribute_docstrings=True)
set_loader("yaml", read_flags, (yaml.YAMLError,))


@dataclass(frozen=True)
class Command:
    """A sub-command: its configuration dataclass, its function, and examples for ``--help``."""

    config: type
    function: Callable[[Any], object]
    examples: Sequence[str] = ()

    @property
    def about(self) -> str:
        """The configuration's docstring."""
        return cleandoc(self.config.__doc__ or "")

    @property
    def summary(self) -> str:
        """Its first line."""
        return self.about.partition("\n")[0]


def lazy(module: str, name: str) -> Callable[[Any], object]:
    """A function that is imported when it is called: `--help` should not wait for PyTorch or ONNX, or need them."""
    return lambda config: getattr(import_module(module), name)(config)


_REWORDED_HELP = (
    (r"<class '(\w+)'>", r"\1"),
    (r"type: Literal\[.+?\]( \| null)?, ", ""),  # the flag itself lists the choices
    (r"Optional\[Literal\[(.+?)\]\]", r"\1 or null"),
    (r"Optional\[tuple\[Path, Path\]\]", "two paths or null"),
    (r"tuple\[(?:Literal\[(.+?)\]|(\w+)), \.\.\.\]", r"list of \1\2"),
    (r"type: bool, default: True", "default: true"),
    (r"type: bool, default: False", "default: false"),
    (r"default: \((.*?),?\)(?=\))", r"default: [\1]"),
    (r"Path to a configuration file\.", "YAML file with the keys of this group."),
    (r"(Print the configuration) after .+", r"\1 as YAML and exit."),
)


class _HelpFormatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the line breaks of the examples, and shortens what jsonargparse writes."""

    def _expand_help(self, action: Action) -> str:
        text = super()._expand_help(action)
        for pattern, words in _REWORDED_HELP:
            text = re.sub(pattern, words, text)
        return text

    def _format_action(self, action: Action) -> str:
        return re.sub(r"^ *Available subcommands:\s+\(required\)\n", "", super()._format_action(action))


class _Parser(ArgumentParser):
    """Prints errors on one line, without the usage block."""

    commands: Sequence[str] = ()
    file: str | None = None
    """What ``--config`` names, while it is read."""

    def __init__(self, *, usage: str | None = SUPPRESS, **options: Any) -> None:
        """usage: as argparse's. jsonargparse makes parsers of its own for optional groups of keys, which need none."""
        super().__init__(usage=usage, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:  # of an optional group of keys, whose error the command's parser reports
            super().error(message, ex)
        what, command = usage_error(without_passwords(message), self.commands)
        where = f"{self.file}: " if self.file else ""
        _fail(f"{where}{what}; see `{' '.join(filter(None, (self.prog, command)))} --help`")

    def parse_path(self, path: Any, *args: Any, **options: Any) -> Namespace:
        """As jsonargparse's, but unknown keys are found here, where their file is known, not after the flags."""
        self.file = path
        found: Namespace = super().parse_path(path, *args, **options)
        try:
            self.validate(found, skip_required=True)
        except KeyError as error:
            self.error(str(error), error)
        self.file = None
        return found

    def _print_message(self, message: str, file: object = None) -> None:
        """Print the help. Raises OutputError where argparse would ignore that it cannot be written."""
        with writing_stdout():
            sys.stdout.write(message)


def _fail(message: str) -> NoReturn:
    console.print("error:", " ".join(message.split()))
    raise SystemExit(USER_ERROR)


def _require_text(argv: Sequence[str]) -> None:
    """File names in another encoding, as from an old disk, break native libraries."""
    for word in argv:
        try:
            word.encode()
        except UnicodeEncodeError:
            encoding = sys.getfilesystemencoding()
            _fail(f"{word!a} is not valid {encoding}, the encoding of names here; rename it, or set LC_ALL=C.UTF-8")


def _made(config: type, given: Namespace, at: str = "") -> Any:
    """The dataclass and those in it. at: the key of its group, with a dot.

    Rejects ``threads:`` without a value and ``pose: 3`` instead of keys below ``pose``, which jsonargparse accepts from
    a YAML file. Raises what the dataclasses raise.
    """
    values = dict[str, Any]()
    for name, kind in get_type_hints(config).items():
        value, optional = given[name], type(None) in get_args(kind)
        group = next((k for k in (kind, *get_args(kind)) if isinstance(k, type) and is_dataclass(k)), None)
        if group is not None and isinstance(value, Namespace):
            value = _made(group, value, f"{at}{name}.")
        elif group is not None and not optional:
            _fail(f"{at}{name} needs keys below it; give some, or leave it out")
        elif value is None and not optional:
            _fail(f"{at}{name} has no value; give one, or leave the key out")
        values[name] = value
    try:
        return config(**values)
    except ConfigError as error:
        if not at:
            raise
        raise ConfigError(f"{at[:-1]}: {error.what}", where=error.where, hint=error.hint) from error


def _parser(program: str, about: str, commands: Mapping[str, Command]) -> _Parser:
    # The parent's formatter applies to sub-commands too.
    parser = _Parser(
        prog=f"python -m {program}", usage=None, description=about, allow_abbrev=False, formatter_class=_HelpFormatter
    )
    parser.add_argument(
        "--version", action="version", version=f"skd-edge {edge.__version__}", help="Print the version and exit."
    )
    parser.commands = tuple(commands)
    subcommands = parser.add_subcommands(
        dest="command",
        title="commands",
        description=f"python -m {program} COMMAND --help lists the options of a command.",
        metavar="COMMAND",
    )
    for name, command in commands.items():
        # argparse's usage would list all flags, on forty lines.
        required = (
            f"--{f.name} {f.name.upper()} " for f in fields(command.config) if f.default is f.default_factory is MISSING
        )
        sub = _Parser(
            usage=f"python -m {program} {name} {''.join(required)}[options]",
            allow_abbrev=False,
            description=command.about,
            epilog="\n  ".join(("examples:", *command.examples)) if command.examples else None,
        )
        sub.add_argument("--config", action="config", help="YAML file with any of the keys below; flags override it")
        sub.add_class_arguments(command.config, as_group=False)
        subcommands.add_subcommand(name, sub, help=command.summary)
        sub.prog = f"python -m {program} {name}"
    return parser


@contextmanager
def importing_commands(program: str) -> Iterator[None]:
    """Report a missing package that the block imports as one line, as :func:`run_command_line` does for a command's."""
    try:
        yield
    except ModuleNotFoundError as error:
        _fail(str(user_message(error, program)))


def run_command_line(program: str, about: str, commands: dict[str, Command], argv: Sequence[str] | None = None) -> None:
    """Parse ``argv`` and run one command. Errors that a user can fix are one line on stderr and exit code 2."""
    given = sys.argv[1:] if argv is None else argv
    _require_text(given)
    # Only the help without a command needs every command's parser, which takes up to 0.2 s.
    named = {name: command for name, command in commands.items() if name in given[:1]}
    parser = _parser(program, about, named or commands)
    try:
        with flushed_stdout():  # for --print_config
            args = parser.parse_args(
                expand_shorthands(given, {name: command.config for name, command in commands.items()})
            )
    except UnicodeDecodeError as error:  # jsonargparse does not catch it
        _fail(f"the configuration file is not text: {error}; give a YAML file in UTF-8")
    except RecursionError:
        _fail("the configuration file is nested too deeply; write it flat")
    except OutputError as error:
        _fail(str(error))
    command = commands[args.command]
    stop = raise_on_signals()
    try:
        command.function(_made(command.config, args[args.command]))
    except KeyboardInterrupt:
        _interrupted(stop)
    except Exception as error:
        if caused_by_ctrl_c(error):
            _interrupted(stop)
        if (line := user_message(error, program)) is None:
            raise
        _fail(line)


def _interrupted(stop: Interruption) -> NoReturn:
    console.print("interrupted")
    exec("")  # after an interrupt inside exec(), as where dataclasses are defined, Python would exit with SIGINT's code
    raise SystemExit(stop.exit_code if stop.signum else INTERRUPTED) from None
