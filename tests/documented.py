"""Find the commands and code blocks in README and docs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docker").glob("*.md"))]


@dataclass(frozen=True)
class Documented:
    """A command: a line indented by four spaces, without its trailing comment."""

    page: str
    line: str

    @property
    def python(self) -> str | None:
        """What follows ``python -m``, if the line is such a command."""
        found = re.match(r"(?:\.venv/bin/)?python -m (.+)", self.line)
        return found[1] if found and not self.line.endswith("&") else None

    @property
    def kind(self) -> str:
        """Which kind of test runs it: python, make, image, service or extra; shell for everything else."""
        if self.python is not None:
            return "python"
        if self.line.startswith("make "):
            return "make"
        if self.line.startswith("docker/run"):
            return "image"
        if " docker compose " in self.line:
            return "service"
        return "extra" if re.fullmatch(r"pip install 'skd-edge\[\w+\]'", self.line) else "shell"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(page: Path, *kinds: str) -> list[Documented]:
    """The commands of a page in order, without fenced diagrams and listings of video folders."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
    found = [Documented(name_of(page), re.sub(r"\s+# .*$", "", line)) for line in lines if line[:7] != "videos/"]
    return [command for command in found if not kinds or command.kind in kinds]


def code(page: Path) -> list[str]:
    """The Python code blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


COMMANDS = [command for page in PAGES for command in commands(page)]
