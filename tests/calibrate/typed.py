"""Run a command line in this process."""

from pathlib import Path

from calibrate.__main__ import COMMANDS
from edge.cli.command_line import run_command_line


def calibrate(*arguments: str | Path) -> None:
    run_command_line("calibrate", "", COMMANDS, [str(a) for a in arguments])
