"""``--help`` of every benchmark gives the command and its columns, without measuring or writing anything."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__"): path
    for path in sorted((ROOT / "benchmarks").rglob("*.py"))
    if "__main__" in path.read_text(encoding="utf-8")
}


def ends(program: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code."""
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(PROGRAMS[program]), run_name="__main__")
    assert isinstance(end.value.code, int)
    return end.value.code


def test_programs_named_on_the_pages_are_found() -> None:
    assert {"benchmarks.peers", "benchmarks.peers.page", "benchmarks.loop_overhead"} < set(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_shows_the_command_and_writes_nothing(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ends(program, ["--help"], monkeypatch) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: python -m {program} ")
    assert f"python -m {program}" in said.partition("\n\n")[2]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        ("benchmarks.loop_overhead", ["nowhere.mp4"], "error: nowhere.mp4"),
        ("benchmarks.streaming_accuracy", ["data", "nowhere"], "error: nowhere"),
        ("benchmarks.streaming", ["48", "25"], "ROUNDS is a multiple of 10, not 25"),
        ("benchmarks.step_time", ["dense"], "unknown network 'dense'"),
    ],
)
def test_a_users_error_is_one_line(
    program: str,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ends(program, arguments, monkeypatch) == 2
    said = capsys.readouterr().err
    assert message in said.splitlines()[-1] and "Traceback" not in said
