"""Output of check, layouts and --help."""

import re
import subprocess
import sys

import networks
import numpy as np
import pytest
import tiny_bundle

from edge.__main__ import COMMANDS, main
from edge.bench.commands import BENCH_COMMANDS
from edge.cli.command_line import run_command_line
from edge.contract.bundle import read_bundle, write_manifest
from edge.recognition.self_test import SelfTest


def test_check_ends_with_exit_code_1_if_the_student_disagrees(tmp_path, capsys):
    folder = tiny_bundle.make(tmp_path / "bundle")
    networks.student(folder / "student.int8.onnx", seed=4, frames=32, joints=13)
    write_manifest(folder, read_bundle(folder).manifest)
    with pytest.raises(SystemExit) as left:
        run_command_line("edge", "", COMMANDS, ["check", "--bundle", str(folder)])
    assert left.value.code == 1 and "failed" in capsys.readouterr().err


def test_a_folder_that_was_removed_meanwhile_is_one_clear_error(bundle_folder, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "removed"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(SystemExit) as left:
        run_command_line("edge", "", COMMANDS, ["doctor", "--bundle", str(bundle_folder)])
    assert left.value.code == 2
    assert capsys.readouterr().err == "error: the current folder no longer exists; change to another one\n"


def test_class_names_with_markup_are_shown_unchanged(tmp_path, capsys):
    names = ("[/b]", "[red]b", ":key:", "{0} %s <b>")
    run_command_line("edge", "", COMMANDS, ["check", "--bundle", str(tiny_bundle.make(tmp_path, classes=names))])
    output = capsys.readouterr().err
    assert ", ".join(names) in output and "top1 25.00 %" in output


def test_check_shows_every_file_and_the_agreement(bundle_folder, capsys):
    run_command_line("edge", "", COMMANDS, ["check", "--bundle", str(bundle_folder)])
    output = capsys.readouterr().err
    for part in ("student.onnx", "student.int8.onnx", "reference.npz", "ok", "passed"):
        assert part in output
    assert re.search(r"\b(\d+) of \1 reference clips", output)


def test_check_shows_the_threshold_below_which_everybody_is_unknown(tmp_path, capsys):
    folder = tiny_bundle.make(tmp_path)
    (folder / "decisions.json").write_text('{"min_score": 0.4321}')
    write_manifest(folder, read_bundle(folder).manifest)
    run_command_line("edge", "", COMMANDS, ["check", "--bundle", str(folder)])
    assert re.search(r"min_score +│ 0\.432;", capsys.readouterr().err)


def test_the_self_test_shows_the_required_agreement():
    # One of sixteen turned: three quarters, twelve, pass; eleven would not.
    given, expected = np.eye(16, dtype=np.float32), np.eye(16, dtype=np.float32)
    given[0] = given[1]
    test = SelfTest.of(given, expected)
    assert test.passed and test.describe().startswith("15 of 16 reference clips agree with FP32 ")
    assert "at least 12 required" in test.describe() and "100.0 % of the largest" in test.describe()
    given[:5] = given[5]
    assert not SelfTest.of(given, expected).passed


def test_layouts_go_to_stdout(capsys):
    run_command_line("edge", "", COMMANDS, ["layouts"])
    output = capsys.readouterr()
    assert "penn-13" in output.out and "blazepose-33" in output.out and output.err == ""


def test_every_command_has_help_with_an_example(capsys):
    commands = COMMANDS | BENCH_COMMANDS
    for name, command in commands.items():
        with pytest.raises(SystemExit) as left:
            run_command_line("edge", "", commands, [name, "--help"])
        output = capsys.readouterr().out
        # Examples are not wrapped.
        assert left.value.code == 0 and {f"  {example}" for example in command.examples} <= set(output.splitlines())
        assert "Optional[" not in output


def test_bench_is_listed_although_it_has_its_own_parser(monkeypatch, capsys):
    for argv, words, code in (
        (["--help"], "Measure the loop's latency or a student's accuracy", 0),
        (["nonsense"], "'bench'", 2),
        (["bench", "--help"], "latency", 0),
        (["bench"], "no command given; choose from latency, accuracy", 2),
    ):
        monkeypatch.setattr("sys.argv", ["edge", *argv])
        with pytest.raises(SystemExit) as left:
            main()
        output = capsys.readouterr()
        assert left.value.code == code and words in " ".join((output.out + output.err).split()), argv


def test_help_imports_no_heavy_package():
    code = "import sys, edge.__main__; print([m for m in ('cv2', 'scipy', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
