"""The command line of a benchmark: ``--help`` prints its docstring, and a user's error is one line."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable

from edge.cli.exit_codes import USER_ERROR
from edge.contract.errors import SkdError


def parser(module: str, about: str | None) -> ArgumentParser:
    """A parser for ``python -m module``. about: the module's docstring."""
    return ArgumentParser(
        prog=f"python -m {module}", description=about, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )


def run(main: Callable[[], None]) -> None:
    """Call ``main``; for an error of :mod:`edge.contract.errors` print one line to stderr and exit with code 2."""
    try:
        main()
    except SkdError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
