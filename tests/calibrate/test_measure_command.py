"""`calibrate measure` runs each step as a user would, and its report has what each step wrote."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_bundle
from documented import ROOT
from test_docs_outputs import named

from calibrate.__main__ import COMMANDS as CALIBRATE
from calibrate.configuration import EngineConfig, MeasureConfig, VerifyConfig
from calibrate.measure import Step, _steps
from calibrate.measure import _run as run_step
from calibrate.measure_report import as_markdown
from edge.__main__ import COMMANDS
from edge.bench.accuracy import AccuracyConfig
from edge.bench.commands import BENCH_COMMANDS
from edge.bench.latency import LatencyConfig
from edge.cli.command_line import run_command_line
from edge.contract.bundle import read_bundle
from edge.doctor.command import DoctorConfig
from edge.machine import machine
from edge.pose.registry import PoseConfig
from edge.soak.command import SoakConfig, SoakResult

COMMAND = [sys.executable, "-m", "calibrate", "measure"]
SHORT = ["--runs", "1", "--soak_minutes", "0"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an untrained student of a few layers; not to be altered."""
    return tiny_bundle.make(tmp_path_factory.mktemp("bundles") / "tiny", classes=("squat", "wave", "walk", "stand"))


@pytest.fixture
def run(tiny: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def finished(out: Path, *flags: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, "--bundle", str(tiny), *SHORT, "--out", str(out), *flags]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)

    return finished


def test_the_report_has_the_results_of_every_step(run, tiny: Path, docs_workspace: Path, tmp_path: Path) -> None:
    clip, clips, videos = docs_workspace / "clip.mp4", tmp_path / "test.npz", tmp_path / "videos"
    reference = read_bundle(tiny).reference()
    np.savez(clips, clips=reference["clips"][:8], labels=reference["logits"][:8].argmax(1))
    for label in ("walk", "stand"):
        (videos / label).mkdir(parents=True)
        (videos / label / "00.mp4").symlink_to(docs_workspace / "videos" / label / "00.mp4")
    done = run(tmp_path, "--source", str(clip), "--clips", str(clips), "--videos", str(videos))
    report = json.loads((tmp_path / "report.json").read_text())
    steps = report["steps"]
    assert "without the package onnx" not in done.stderr
    assert done.returncode == (1 if any(step["exit_code"] for step in steps.values()) else 0), done.stderr
    files = {
        "checks": "doctor.json",
        "verification": "verify.json",
        "latency": "latency.json",
        "accuracy": "accuracy.json",
    }
    assert list(steps) == list(files)
    assert list(report) == named("field of the device's report")
    assert list(steps["checks"]) == named("field of a step")
    for name, file in files.items():
        assert steps[name]["exit_code"] in (0, 1) and steps[name]["error"] is None, done.stderr
        assert steps[name]["results"] == json.loads((tmp_path / file).read_text())
    page = (tmp_path / "report.md").read_text()
    titles = re.findall("^## (.+)", page, re.MULTILINE)
    assert titles == ["Checks", "Accuracy of the student's networks", "Latency", "Accuracy on videos", "Steps"]
    int8 = steps["verification"]["results"]["networks"][1]
    assert f"| student.int8.onnx | {int8['runtime']} | 8 | {int8['top1']:.2f} | " in page
    assert "\n## Latency\n\n- power mode: " in page and f"- source: {clip}: 640x360" in page
    assert "| FP32 top-1" not in page and page.count("`python -m ") == len(files) + 1
    assert subprocess.run([*re.search(r"`(python -m edge doctor.+?)`", page)[1].split()], cwd=ROOT).returncode in (0, 1)


def with_stub(folder: Path, module: str, code: str) -> dict[str, str]:
    """An environment in which importing the module runs this code; sitecustomize is imported at every start."""
    folder.mkdir()
    (folder / f"{module}.py").write_text(code)
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": paths}


def test_steps_that_cannot_run_are_named_with_the_reason_and_the_others_run(run, tmp_path: Path) -> None:
    """Without onnx, as after `make demo`."""
    onnx_missing = with_stub(tmp_path / "stub", "sitecustomize", "import sys; sys.modules['onnx'] = None")
    done = run(tmp_path, "--source", str(tmp_path / "missing.mp4"), environment=onnx_missing)
    assert done.stderr.startswith("warning: verification cannot run without the package onnx; stop now, and install")
    steps = json.loads((tmp_path / "report.json").read_text())["steps"]
    errors = {
        "verification": "this command needs the package onnx; install it with: make setup, or pip install ",
        "latency": f"{tmp_path}/missing.mp4: no such file or folder; ",
    }
    page = (tmp_path / "report.md").read_text()
    for name, line in errors.items():
        assert steps[name]["exit_code"] == 2 and steps[name]["results"] is None
        assert steps[name]["error"].startswith(line) and steps[name]["error"] in page
    said = [f"{name} could not run: {steps[name]['error']}" for name in errors]
    assert done.returncode == 1 and done.stderr.splitlines()[-2:] == said
    assert steps["checks"]["results"] is not None and "## Latency" not in page


def test_no_file_and_no_line_has_the_cameras_password(run, tmp_path: Path) -> None:
    done = run(tmp_path, "--source", "rtsp://user:s3cr3t@127.0.0.1:9/stream")
    assert "rtsp://user:***@127.0.0.1:9/stream" in (tmp_path / "report.md").read_text()
    assert "s3cr3t" not in done.stderr
    assert not any("s3cr3t" in path.read_text() for path in tmp_path.iterdir())


def test_a_crash_has_no_results_even_if_an_earlier_run_left_some(run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "verify.json").write_text("{}")
    broken = with_stub(tmp_path / "stub", "onnx", "raise RuntimeError('broken')\n")
    done = run(out, "--source", str(tmp_path / "missing.mp4"), environment=broken)
    crashed = json.loads((out / "report.json").read_text())["steps"]["verification"]
    assert (crashed["exit_code"], crashed["results"], crashed["error"]) == (1, None, "RuntimeError: broken")
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "failed or missed a goal: verification"


BAR = """
import sys
from rich.console import Console
from rich.progress import Progress
sys.stderr.buffer.write(b"error: not this one\\n\\xff\\n")
sys.stderr.buffer.flush()
with Progress(console=Console(stderr=True), transient=True) as bar:
    bar.advance(bar.add_task("bar", total=2))
print("error: it broke\\n" + "━" * 5000, file=sys.stderr)
sys.exit(2)
"""


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """A step that fails after a progress bar, and prints more than is read at once."""
    for name, value in (with_stub(tmp_path / "stub", "failing", BAR) | {"FORCE_COLOR": "1"}).items():
        monkeypatch.setenv(name, value)
    return Step("failing", ("failing",), tmp_path / "none.json")


def test_the_error_after_a_progress_bar_is_reported_and_the_output_shown_whole(failing: Step, capsys) -> None:
    assert run_step(failing)["error"] == "it broke"
    shown = capsys.readouterr().err
    assert shown.startswith("error: not this one\n\ufffd\n")  # a byte that is not text
    assert shown.endswith("\x1b[1A\x1b[2Kerror: it broke\n" + "━" * 5000 + "\n")


def test_a_step_ends_although_nobody_reads_what_it_prints(failing: Step) -> None:
    """As in `measure 2>&1 | head`; the report is what counts."""
    reader, writer = os.pipe()
    os.close(reader)
    code = "from calibrate.measure import *; from calibrate.measure import _run\n"
    code += "sys.exit(_run(Step('failing', ('failing',), Path('none.json')))['exit_code'])"
    with os.fdopen(writer, "w") as broken:
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=broken).returncode == 2


def stub_step(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> Step:
    """A step that runs this code, and writes ``step.json`` if anything does."""
    for name, value in with_stub(folder / "stub", "stubbed", code).items():
        monkeypatch.setenv(name, value)
    return Step("stubbed", ("stubbed",), folder / "step.json")


def test_a_missed_goal_has_its_results_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = (
        f"import pathlib, sys; pathlib.Path({str(tmp_path / 'step.json')!r}).write_text('{{\"top1\": 5}}'); sys.exit(1)"
    )
    found = run_step(stub_step(tmp_path, monkeypatch, written))
    assert (found["exit_code"], found["results"], found["error"]) == (1, {"top1": 5}, None)


@pytest.mark.parametrize("end", ["sys.exit(130)", "signal.signal(2, signal.SIG_DFL); os.kill(os.getpid(), 2)"])
def test_a_step_that_ctrl_c_ended_ends_the_measurement(tmp_path: Path, monkeypatch, end: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_step(stub_step(tmp_path, monkeypatch, f"import os, signal, sys; {end}"))


@pytest.mark.parametrize("terminal", [True, False])
def test_a_steps_progress_bars_are_shown_in_a_terminal_only(tmp_path: Path, monkeypatch, terminal: bool) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    found = run_step(stub_step(tmp_path, monkeypatch, "import os, sys; sys.exit(3 if os.getenv('FORCE_COLOR') else 4)"))
    assert found["exit_code"] == (3 if terminal else 4)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_step_ends_with_a_measurement_that_is_stopped_alone(tmp_path: Path, monkeypatch) -> None:
    """As by `kill`, while Ctrl-C is sent to both processes."""
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); os.kill(os.getppid(), 2); time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        run_step(stub_step(tmp_path, monkeypatch, code))
    command, end = Path(f"/proc/{pid.read_text()}/cmdline"), time.monotonic() + 20
    while command.exists() and command.read_text():  # one that has ended has none
        assert time.monotonic() < end
        time.sleep(0.02)


def test_ctrl_c_keeps_the_report_of_the_finished_steps(tiny: Path, docs_workspace: Path, tmp_path: Path) -> None:
    clip = str(docs_workspace / "clip.mp4")
    command = [*COMMAND, "--bundle", str(tiny), "--out", str(tmp_path), "--source", clip]
    heed_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a background job inherits that it is ignored
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed_ctrl_c
    ) as process:
        while "verification" not in (line := process.stderr.readline()):
            assert line, "it ended early"
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert rest.splitlines()[-1] == "interrupted" and "Traceback" not in rest
    assert list(json.loads((tmp_path / "report.json").read_text())["steps"]) == ["checks"]
    assert "| checks | `python -m edge doctor " in (tmp_path / "report.md").read_text()


def test_every_step_gets_the_settings_of_the_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the steps' own command lines read them; engines are built before they are verified."""
    (tmp_path / "tensorrt.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    bundle, clips, videos, out = (tmp_path / name for name in ("bundle", "test.npz", "videos", "out"))
    pose = PoseConfig("tf_pose", tmp_path / "pose.engine", 2, max_people=3, min_joint_score=0.25, crop=True)
    steps = _steps(MeasureConfig(bundle, "rtsp://a:b@c/d", clips, videos, out, 3, 0.5, pose))
    given: list[Any] = []
    for step in steps:
        room, *words = step.arguments
        commands = {"edge": COMMANDS, "calibrate": CALIBRATE}[room]
        if words[0] == "bench":
            commands, words = BENCH_COMMANDS, words[1:]
        command = replace(commands[words[0]], function=given.append)
        run_command_line(room, "", {words[0]: command}, words)
    assert given == [
        DoctorConfig(bundle, json=True),
        EngineConfig(bundle, clips=clips),
        VerifyConfig(bundle, clips, report=out / "verify.json"),
        LatencyConfig(bundle, "rtsp://a:b@c/d", out, 3, pose=pose),
        AccuracyConfig(bundle, videos, pose=pose, report=out / "accuracy.json"),
        SoakConfig(bundle, minutes=0.5, pose=pose, report=out / "soak.json"),
    ]
    written = [out / f"{name}.json" for name in ("doctor", "verify", "latency", "accuracy", "soak")]
    assert [step.writes for step in steps] == [written[0], bundle / "student.engine.json", *written[1:]]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--runs", "0"], "error: runs is 0; give a number in [1, inf)"),
        (["--soak_minutes", "-1"], "error: soak_minutes is -1.0; give a number in [0, inf]"),
        (["--clips", "none.npz"], "error: none.npz: cannot be read: No such file or directory; "),
    ],
)
def test_a_mistake_in_the_flags_ends_it_before_the_first_step(
    run, tmp_path: Path, flags: list[str], message: str
) -> None:
    done = run(tmp_path / "out", *flags)
    assert done.returncode == 2 and done.stderr.startswith(message), done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "out/report.md").exists()


def test_a_report_that_cannot_be_written_ends_it_before_the_first_step(run, tmp_path: Path) -> None:
    (tmp_path / "report.md").mkdir()
    done = run(tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(
        f"error: {tmp_path}/report.md: cannot be written: it is a folder"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def page_of(name: str, results: dict, power_mode: str | None = None) -> str:
    step = {"results": results, "command": f"python -m {name}", "seconds": 61.6, "exit_code": 0, "error": None}
    board = {**machine(), "power_mode": power_mode}
    return as_markdown({"bundle": "b", "machine": board, "date": "2026-01-02", "command": "c", "steps": {name: step}})


def test_the_report_counts_the_checks_and_lists_those_that_apply() -> None:
    statuses = ("ok", "n/a", "ok", "fail")
    findings = [{"status": status, "check": f"check {i}", "found": "a|b"} for i, status in enumerate(statuses)]
    page = page_of("checks", {"findings": findings}, power_mode="MAXN")
    assert "; power mode: MAXN\n" in page and "; power mode: none\n" in page_of("checks", {"findings": []})
    assert "## Checks\n\n2 ok, 1 n/a, 1 fail.\n\n| status | check | found |\n" in page
    assert "| ok | check 0 | a\\|b |\n| ok | check 2 | a\\|b |\n| fail | check 3 | a\\|b |\n\n" in page


def test_the_report_shows_the_engines_that_were_compared() -> None:
    fp16 = {"precision": "fp16", "p50_ms": 1.0, "p90_ms": 1.25, "device_p50_ms": 0.75, "agreement": 100.0}
    engines = [{**fp16, "top1_drop": None, "verdict": "kept: a|b"}, {"precision": "int8", "verdict": "returned NaN"}]
    built = {"tensorrt": "10.3.0", "gpu": "Orin (16 SMs)", "compute_capability": "8.7"}
    page = page_of("engines", {**built, "comparison": {"reference": "256 clips", "engines": engines}})
    assert "TensorRT 10.3.0, Orin (16 SMs), compute capability 8.7. Compared with 256 clips.\n" in page
    assert "| fp16 | 1.00 | 1.25 | 0.75 | 100.00 |  | kept: a\\|b |\n| int8 |  |  |  |  |  | returned NaN |\n" in page
    assert "| engines | `python -m engines` | 62 | 0 |  |\n" in page


def test_the_report_shows_what_few_clips_must_meet_and_what_was_not_run() -> None:
    found = {"samples": 256, "agreement": 97.65625, "error": {"largest": 0.25}}
    latency = {"p50_ms": 1.5, "p90_ms": 2.0}
    network = {"network": "s.onnx", "runtime": "CPU", "stored": found, "labelled": None, "top1": None}
    budgets = {"budget": {"min_agreement": 98.046875, "max_top1_drop": 0.5}, "bundle_budget": {"min_agreement": 99.0}}
    networks = [{**network, "latency": latency, "missed": missed} for missed in ([], ["one", "two"])]
    page = page_of("verification", {"networks": networks, **budgets, "not_run": {"s.engine": "no GPU"}})
    assert "at least 98.05 % (the bundle's budget is 99 %), at most 0.5 points of top-1 lost.\n" in page
    row = "| s.onnx | CPU | 256 |  | 97.66 | 0.25 | 1.50 | 2.00 |"
    assert f"{row} within the budget |\n{row} one; two |\n" in page
    assert "\ns.engine was not run: no GPU\n" in page


def test_the_report_compares_students_on_videos() -> None:
    int8 = {"student": "s.int8.onnx", "top1": 91.25, "mean_per_class": 87.5, "agreement": 98.75, "undecided": 3}
    fp32 = {**int8, "student": "s.onnx", "top1": 92.5, "agreement": None, "undecided": 0}
    page = page_of("accuracy", {**int8, "samples": 80, "beside": [fp32]})
    assert "\n80 videos.\n" in page
    assert "| s.int8.onnx | 91.25 | 87.50 | 98.75 | 3 |\n| s.onnx | 92.50 | 87.50 |  | 0 |\n" in page


def test_the_report_shows_the_endurance_test() -> None:
    soak = SoakResult(10.04, 9000, 1, 2, 3, 0.5, 201.6, 9, 8, 4, 1.5, 2.25, "the camera is gone", (200.2, 201.7))
    lines = (
        "## Endurance",
        "",
        "- 10.0 minutes, 9000 frames; the camera was lost 2 times",
        "- memory: 202 MB, growth after the warm-up +0.50 MB",
        "- events received: 8 of 9",
        "- p99/p50: 1.50 (pose), 2.25 (capture to decision)",
        "- MB by minute: 200, 202",
        "- **ended early**: the camera is gone",
    )
    assert "\n".join(lines) in page_of("soak", asdict(soak))
    whole = page_of("soak", asdict(replace(soak, ended_by=None, memory_by_minute=())))
    assert "ended early" not in whole and "by minute" not in whole
