"""Documentation is held against the program: its commands are understood, its error texts are those of the code."""

import re
import shlex
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import get_type_hints

import pytest

import calibrate.__main__
import edge.__main__
import train.__main__
from edge.bench.commands import BENCH_COMMANDS
from edge.command_line import run_command_line

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docker").glob("*.md"))]
ROOMS = {
    "edge": edge.__main__.COMMANDS,
    "edge bench": BENCH_COMMANDS,
    "train": train.__main__.COMMANDS,
    "calibrate": calibrate.__main__.COMMANDS,
}
STANDS_FOR = ("SOURCE", "[", "...", "|")
"""A line with one of these shows the form of a command, not one to be typed."""


def typed(page):
    """The commands of a page that a reader would copy: lines that stand alone."""
    lines = re.findall(r"^ {4}(?:\.venv/bin/)?python -m (.+)$", page.read_text(), re.MULTILINE)
    return [line for line in lines if not any(sign in line for sign in STANDS_FOR)]


COMMANDS = [(page.name, line) for page in PAGES for line in typed(page)]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_in_the_documentation_are_understood(page, line, monkeypatch):
    monkeypatch.chdir(ROOT)
    words = shlex.split(line, comments=True)
    room = "edge bench" if words[:2] == ["edge", "bench"] else words[0]
    taken = []
    known = {name: replace(command, function=taken.append) for name, command in ROOMS[room].items()}
    run_command_line(room, "", known, words[len(room.split()) :])
    assert len(taken) == 1


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 12 and {"README.md", "tutorial.md", "board.md"} <= {page for page, _ in COMMANDS}


def test_errors_are_looked_up_by_a_text_that_the_code_has():
    code = " ".join(path.read_text() for room in ("edge", "calibrate") for path in (ROOT / room).rglob("*.py"))
    looked_up = re.findall(r"^### `(.+)`$", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
    assert len(looked_up) >= 10
    for text in looked_up:
        for part in filter(None, (part.strip() for part in text.split("…"))):
            assert part in code, part


def keys_of(config):
    types = get_type_hints(config)
    for field in fields(config):
        kind = types[field.name]
        if is_dataclass(kind):
            yield from (f"{field.name}.{name}" for name in keys_of(kind))
        else:
            yield field.name


def test_the_reference_has_every_key(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from reference import reference

    sections = dict(re.findall(r"^## python -m (.+)\n((?:(?!^## ).*\n)*)", reference(), re.MULTILINE))
    for room, commands in ROOMS.items():
        for name, command in commands.items():
            rows = re.findall(r"^\| `(.+?)` \| .+? \| (.*) \|$", sections[f"{room} {name}"], re.MULTILINE)
            assert [key for key, _ in rows] == list(keys_of(command.config)), f"{room} {name}"


def test_the_site_is_built_without_a_warning(tmp_path):
    mkdocs = Path(sys.executable).with_name("mkdocs")
    if not mkdocs.is_file():
        pytest.skip("pip install -e '.[dev]'")
    done = subprocess.run(
        [str(mkdocs), "build", "--quiet", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "bench latency" in (tmp_path / "reference/index.html").read_text()
