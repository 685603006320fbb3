"""Flags, YAML and help; an error of the user is one line on stderr and exit code 2, without a traceback."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import pytest

from edge.cli.command_line import Command, run_command_line
from edge.contract.errors import ConfigError, SourceError


@dataclass(frozen=True)
class Clip:
    fps: float = 15.0
    """Rate of the clip in Hz."""

    def __post_init__(self) -> None:
        if self.fps <= 0:
            raise ConfigError(f"a rate of {self.fps} Hz", hint="give one above 0")


@dataclass(frozen=True)
class Run:
    """Run it.

    A folder is a source, too.
    """

    source: str
    """Camera, file or address."""
    notes: Path = Path("notes.txt")
    """Notes."""
    threads: int = 2
    """CPU threads of the network."""
    engine: Literal["onnx", "tensorrt"] = "onnx"
    """The runtime."""
    out: Path | None = None
    """Where to write."""
    between: tuple[Path, Path] | None = None
    """Two files."""
    rates: tuple[float, ...] = (1.5,)
    """Several rates."""
    mirror: bool = False
    """Mirror."""
    clip: Clip = field(default_factory=Clip)
    """How clips are made."""
    night: Clip | None = None
    """How clips are made at night."""


ran: list[Run] = []


def remember(run: Run) -> None:
    if run.source == "nowhere":
        raise SourceError("no such\n camera", where="/dev/video9", hint="plug it in")
    if run.source == "stopped":
        raise KeyboardInterrupt
    ran.append(run)


def command_line(*argv: str) -> None:
    commands = {"run": Command(Run, remember, ("python -m edge run --source 0",))}
    run_command_line("edge", "Skeleton actions.", commands, argv)


def fails(capsys, *argv: str) -> str:
    """Run a command that must fail with exit code 2; returns its error line."""
    with pytest.raises(SystemExit) as stop:
        command_line(*argv)
    output = capsys.readouterr()
    assert stop.value.code == 2 and output.out == ""
    assert output.err.startswith("error: ") and output.err.count("\n") == 1
    return output.err


def yaml(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "run.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_flags_override_yaml(tmp_path):
    config = yaml(tmp_path, "source: cam.mp4\nthreads: 5\nclip:\n  fps: 10\n")
    command_line("run", "--config", config, "--threads", "7", "--out", "here")
    assert ran.pop() == Run(source="cam.mp4", threads=7, out=Path("here"), clip=Clip(fps=10.0))


def test_numbers_in_yaml_need_no_quotes_for_text_fields(tmp_path):
    command_line("run", "--config", yaml(tmp_path, "source: 0\nthreads: 3\nrates: [1, 2.5e1]\nclip: {fps: 7}\n"))
    assert ran.pop() == Run(source="0", threads=3, rates=(1.0, 25.0), clip=Clip(fps=7.0))


def test_yaml_may_have_a_byte_order_mark_and_anchors(tmp_path):
    config = yaml(tmp_path, b"\xef\xbb\xbfsource: &name here\nout: *name\n")
    command_line("run", "--config", config)
    assert ran.pop() == Run(source="here", out=Path("here"))


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        ([], "choose from run"),
        (["rum"], "unknown command 'rum'; choose from 'run'"),
        (["run", "--source", "-a.mp4"], "--source needs a value; one that begins with - is given as --source=-..."),
        (["run"], "missing --source; see `python -m edge run --help`"),
        (["run", "--source", "0", "--sorce", "1"], "--sorce"),
        (["run", "--source", "0", "--thread", "3"], "--thread"),
        (["run", "--source", "0", "--clip.fsp", "3"], "--clip.fsp"),
        (["run", "--source", "0", "more"], "more"),
        (["run", "--source", "0", "--threads", "many"], "threads takes int, not many;"),
        (["run", "--source", "0", "--clip.fps", "fast"], "clip.fps takes float, not fast;"),
        (["run", "--source", "0", "--between", "a"], "between takes two paths or null, not a;"),
        (["run", "--source", "0", "--rates", "slow"], "rates takes a list in brackets, not slow;"),
        (["run", "--source", "0", "--threads", ""], "threads takes int, not an empty text;"),
        (["run", "--source", "0", "--engine", "opencl"], "engine takes 'onnx', 'tensorrt', not opencl;"),
        (["run", "--source"], "source"),
        (["run", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_a_wrong_flag_is_named(capsys, argv, names):
    line = fails(capsys, *argv)
    assert names in line and "--help" in line


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("source: a\nsorce: b\n", "'sorce'"),
        ("source: a\nclip:\n  fsp: 3\n", "clip.fsp"),
        ("source: a\nthreads: many\n", "threads"),
        ("source: a\nengine: opencl\n", "engine"),
        ("threads: 3\n", "source"),
        ("source: [\n", "line 2"),
        ("source: a\nclip: {fps: 1, fps: 2}\n", "line 2: duplicate key 'fps'"),
        ("source: a\nclip:\n", "clip needs keys below it"),
        ("source: a\nclip: 3\n", "clip needs keys below it or a YAML file, not 3;"),
        (f"a: {'[' * 2000}{']' * 2000}\n", "nested too deeply"),
        ("source: !!python/name:os.system\n", "line 1"),
        ("- a\n- b\n", "has no keys"),
        ("", "has no keys"),
        ("# all off\n", "has no keys"),
        (b"\xff\xfe\x00", "not text"),
        ('source: "a\\0b"\n', "line 1: text with a null character"),
        ("source: a\nnotes: [a]\n", "notes: takes a path, not a list"),
        ("source: a\nnight: {fsp: 3}\n", "unknown key 'night.fsp'; see `python -m edge run --help`"),
        ("source: a\nnight: {fps: fast}\n", "night.fps takes float, not fast; see `python -m edge run --help`"),
        ("source: a\nnight: {fps: }\n", "night.fps has no value"),
        ("source: a\nnight: 3\n", "night needs keys below it, not 3;"),
        ("source: a\nnight: [a]\n", "night needs keys below it, not ['a'];"),
    ],
)
def test_a_wrong_key_or_value_in_yaml_is_named(capsys, tmp_path, text, names):
    assert names in fails(capsys, "run", "--config", yaml(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sorce: b\n", "unknown key 'sorce'"),
        ("clip: {fsp: 3}\n", "unknown key 'clip.fsp'"),
        ("clip: clip.yaml\n", "unknown key 'clip.fsp'"),
        ("night: {fsp: 3}\n", "unknown key 'night.fsp'"),
        ("threads: many\n", "threads takes int, not many"),
        ("source: [\n", "not valid YAML: line 2"),
        ("", "the configuration file has no keys"),
    ],
)
def test_an_error_in_yaml_names_the_file(capsys, tmp_path, text, says):
    (tmp_path / "clip.yaml").write_text("fsp: 3\n")
    config = yaml(tmp_path, text)
    assert f"error: {config}: {says}" in fails(capsys, "run", "--source", "0", "--config", config)


def test_an_error_in_a_flag_does_not_name_the_file_read_before_it(capsys, tmp_path):
    line = fails(capsys, "run", "--config", yaml(tmp_path, "source: a\n"), "--threads", "many")
    assert line == "error: threads takes int, not many; see `python -m edge run --help`\n"


def test_a_group_of_keys_may_be_a_file_beside_the_configuration(tmp_path):
    (tmp_path / "clip.yaml").write_text("fps: 3\n")
    command_line("run", "--config", yaml(tmp_path, "source: a\nclip: clip.yaml\n"))
    assert ran.pop() == Run(source="a", clip=Clip(fps=3.0))


def test_a_value_that_a_dataclass_rejects_is_one_line(capsys):
    line = fails(capsys, "run", "--source", "0", "--clip.fps", "0")
    assert line == "error: clip: a rate of 0.0 Hz; give one above 0\n"


def test_an_error_of_a_command_is_one_line(capsys):
    assert fails(capsys, "run", "--source", "nowhere") == "error: /dev/video9: no such camera; plug it in\n"


def test_ctrl_c_is_reported_with_exit_code_130(capsys):
    with pytest.raises(SystemExit) as stop:
        command_line("run", "--source", "stopped")
    assert stop.value.code == 130 and capsys.readouterr().err == "interrupted\n"


def test_help_shows_every_flag_with_its_text_default_and_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        command_line("run", "--help")
    out = capsys.readouterr().out
    assert stop.value.code == 0
    assert "<class" not in out
    # The usage line has only the required flags.
    usage = "usage: python -m edge run --source SOURCE [options]"
    assert out.startswith(f"{usage}\n\nRun it.\n\nA folder is a source, too.\n\n")
    for part in ("--source", "CPU threads of the network", "default: 2", "--clip.fps", "python -m edge run --source 0"):
        assert part in out
    said = " ".join(out.split())
    assert "Several rates. (type: list of float, default: [1.5])" in said and "Mirror. (default: false)" in said


def test_help_of_an_optional_group_of_keys_shows_them_and_no_usage_of_another_program(capsys):
    with pytest.raises(SystemExit) as stop:
        command_line("run", "--night.help")
    out = capsys.readouterr().out
    assert stop.value.code == 0 and "--night.fps" in out and "usage:" not in out


@pytest.mark.parametrize("program", ["edge", "train", "calibrate"])
def test_version_is_that_of_the_installed_package(program):
    printed = subprocess.run(
        [sys.executable, "-m", program, "--version"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert printed == f"skd-edge {version('skd-edge')}\n"


def test_a_source_may_begin_with_a_dash():
    command_line("run", "--source", "-?width=640&height=480", "--threads", "3")
    assert ran.pop() == Run(source="-?width=640&height=480", threads=3)
    command_line("run", "--source=-")
    assert ran.pop().source == "-"


def test_a_list_needs_no_brackets():
    command_line("run", "--rates", "0.5", "2", "7", "--between", "a.json", "b c.json", "--source", "0")
    assert ran.pop() == Run(source="0", between=(Path("a.json"), Path("b c.json")), rates=(0.5, 2.0, 7.0))
    command_line("run", "--source", "0", "--rates", "[0.5, 2]")
    assert ran.pop().rates == (0.5, 2.0)


@dataclass(frozen=True)
class Window:
    show: bool = False
    """Show it."""
    large: bool | None = None
    """Large."""


@dataclass(frozen=True)
class Switches:
    """Boolean flags."""

    name: str = "a"
    """A name."""
    dry: bool = False
    """Do nothing."""
    window: Window = field(default_factory=Window)
    """Where."""


@pytest.mark.parametrize(
    ("argv", "dry"),
    [
        (["--dry", "--window.show"], True),
        (["--window.show", "--dry", "true"], True),
        (["--window.show", "true", "--name", "b", "--dry"], True),
        (["--dry=false", "--window.show"], False),
        (["--dry", "no", "--window.show", "--window.large", "--name", "b"], False),
    ],
)
def test_a_boolean_flag_needs_no_value(argv, dry):
    taken = []
    run_command_line("it", "", {"go": Command(Switches, taken.append)}, ["go", *argv])
    (config,) = taken
    assert config.dry is dry and config.window.show is True
    assert config.window.large is (True if "--window.large" in argv else None)


def test_tables_are_printed_on_a_terminal_of_unknown_width():
    command = [sys.executable, "-m", "edge", "layouts"]
    done = subprocess.run(command, env={**os.environ, "COLUMNS": "0"}, capture_output=True, text=True, check=True)
    assert "penn-13" in done.stdout
