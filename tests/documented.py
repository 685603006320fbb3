"""The commands and the code that README and docs tell a reader to type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docker").glob("*.md"))]
MARK = "# on a Jetson"
"""Stands behind a command that needs what no test machine has; such a command is parsed, and not run."""
DATASET = re.compile(r" DATA(\s|$)")
"""Stands for a published dataset in a command, which is not run either: none is part of the project."""


OF_A_TRAINING = ("docs/howto/int8.md",)
"""Pages that go on from a training of one's own; they are parsed too."""


@dataclass(frozen=True)
class Documented:
    """A line that stands alone, indented by four spaces. marked: it needs a Jetson, a dataset or a training."""

    page: str
    line: str
    marked: bool

    @property
    def on_host(self) -> bool:
        """For docker on the board itself."""
        return self.line.startswith("docker/run") or " docker compose " in self.line

    @property
    def python(self) -> str | None:
        """What follows ``python -m``, where the line is nothing else."""
        found = re.match(r"(?:\.venv/bin/)?python -m (.+)", self.line)
        return found[1] if found and not self.line.endswith("&") else None


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(page: Path) -> list[Documented]:
    """In the order of the page; drawings in fences and folders of videos are no commands."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
    found = []
    for line in lines:
        if line.startswith("videos/"):
            continue
        found.append(
            Documented(name_of(page), re.sub(r"\s+# .*$", "", line), name_of(page) in OF_A_TRAINING or _needs(line))
        )
    return found


def _needs(line: str) -> bool:
    return MARK in line or DATASET.search(line) is not None or " BUNDLE " in line


def code(page: Path) -> list[str]:
    """Blocks of Python."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


COMMANDS = [command for page in PAGES for command in commands(page)]
