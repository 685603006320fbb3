"""The reference and the examples in `--help` match the program, and the documentation site builds without warnings."""

import re
import shlex
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import get_type_hints

import pytest
from documented import ROOT
from programs import PROGRAMS, program

from edge.cli.command_line import run_command_line

EXAMPLES = [example for commands in PROGRAMS.values() for command in commands.values() for example in command.examples]
"""Examples in `--help` and the reference. Commands on the pages are run by tests/test_docs_run.py."""


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_parsed(example, monkeypatch):
    monkeypatch.chdir(ROOT)
    name, words = program(shlex.split(example.removeprefix("python -m ")))
    taken = []
    known = {command: replace(found, function=taken.append) for command, found in PROGRAMS[name].items()}
    run_command_line(name, "", known, words)
    assert len(taken) == 1


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
    for room, commands in PROGRAMS.items():
        for name, command in commands.items():
            rows = re.findall(r"^\| `(.+?)` \| .+? \| (.*) \|$", sections[f"{room} {name}"], re.MULTILINE)
            assert [key for key, _ in rows] == list(keys_of(command.config)), f"{room} {name}"
            assert [key for key, text in rows if not text] == [], f"{room} {name}: keys without help"


def test_the_site_builds_without_warnings(tmp_path):
    mkdocs = Path(sys.executable).with_name("mkdocs")
    if not mkdocs.is_file():
        pytest.skip("pip install -e '.[dev]'")
    done = subprocess.run(
        # Not --quiet: it hides warnings from --strict too.
        [str(mkdocs), "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "bench latency" in (tmp_path / "reference/index.html").read_text()
    assert "it takes an afternoon" in (tmp_path / "index.html").read_text(), "not the README"
    assert (tmp_path / "benchmarks/loop/index.html").is_file(), "pages outside docs are missing"
    pages = list(tmp_path.rglob("*.html"))
    assert [link for page in pages for link in dead_links(page)] == []
    fetched = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]* (?:src|href)="?(?:https?:)?//')
    assert [page.name for page in pages if fetched.search(page.read_text())] == [], "they load from other servers"


def dead_links(page):
    """Links and images of a page that point to no file of the site."""
    for link in re.findall(r'(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8")):
        target = page.parent / link.split("#")[0].split("?")[0]
        if ":" not in link and not link.startswith("/") and not (target.is_file() or (target / "index.html").is_file()):
            yield f"{page.name}: {link}"
