"""Documentation is held against the program: its commands are understood, its error texts are those of the code."""

import re
import shlex
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import get_type_hints

import pytest
from documented import COMMANDS, ROOT

import calibrate.__main__
import edge.__main__
import train.__main__
from edge.bench.commands import BENCH_COMMANDS
from edge.command_line import run_command_line

ROOMS = {
    "edge": edge.__main__.COMMANDS,
    "edge bench": BENCH_COMMANDS,
    "train": train.__main__.COMMANDS,
    "calibrate": calibrate.__main__.COMMANDS,
}
NEED_MORE = {
    "docs/howto/board.md": ["calibrate engine"] * 3 + ["edge bench accuracy"],
    "docs/howto/camera.md": ["edge run"] * 3,
    "docs/howto/dla.md": [
        "calibrate engine",
        "edge run",
        "edge bench latency",
        "edge bench latency",
        "edge bench compare",
    ],
    "docs/howto/pose_network.md": ["calibrate engine"],
    "docs/howto/several_cameras.md": ["edge run"],
    "docs/howto/int8.md": [
        *("calibrate student", "calibrate verify", "calibrate sensitivity", "calibrate methods"),
        *("train quantise-aware", "calibrate pose", "calibrate verify-pose", "calibrate pose"),
        "train quantise-aware-pose",
    ],
    "docs/howto/loop.md": ["train teacher", "train student", "train export-stream", "calibrate stream"],
}
PARSED = [command for command in COMMANDS if command.marked]
"""Not run by tests/test_docs_run.py, for want of a board, or of a published dataset."""


@pytest.mark.parametrize("command", [c for c in PARSED if c.python], ids=lambda command: command.line)
def test_commands_that_are_not_run_are_understood(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    words = shlex.split(command.python)
    room = "edge bench" if words[:2] == ["edge", "bench"] else words[0]
    taken = []
    known = {name: replace(found, function=taken.append) for name, found in ROOMS[room].items()}
    run_command_line(room, "", known, words[len(room.split()) :])
    assert len(taken) == 1


def test_what_is_not_run_is_what_we_think():
    # Whoever marks another command must say so here: engines, cameras of a kind, a broker, a dataset.
    found = {}
    for command in PARSED:
        words = command.python.split()
        found.setdefault(command.page, []).append(" ".join(words[: 3 if words[1] == "bench" else 2]))
    assert found == NEED_MORE


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
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "bench latency" in (tmp_path / "reference/index.html").read_text()
