"""The command line of a benchmark: ``--help`` is its docstring, and what a user can mend is one line."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable

from edge.cli.exit_codes import USER_ERROR
from edge.contract.errors import SkdError


def parser(module: str, about: str | None) -> ArgumentParser:
    """For ``python -m module``. about: its docstring, with the command and what the columns mean."""
    return ArgumentParser(
        prog=f"python -m {module}", description=about, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )


def run(main: Callable[[], None]) -> None:
    """Exit code 2 and a line on stderr for an error of :mod:`edge.contract.errors`."""
    try:
        main()
    except SkdError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
