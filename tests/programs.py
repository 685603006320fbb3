"""Each program's commands, and the program of a command line."""

from collections.abc import Sequence

import calibrate.__main__
import edge.__main__
import train.__main__
from edge.bench.commands import BENCH_COMMANDS

PROGRAMS = {
    "edge": edge.__main__.COMMANDS,
    "edge bench": BENCH_COMMANDS,
    "train": train.__main__.COMMANDS,
    "calibrate": calibrate.__main__.COMMANDS,
}


def program(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Its name, and the words after it."""
    name = "edge bench" if list(words[:2]) == ["edge", "bench"] else words[0]
    return name, words[len(name.split()) :]
