"""`calibrate measure` runs each step as a user would, and its report has what each step wrote."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_bundle
from documented import ROOT
from stubs import with_stub
from test_docs_outputs import named

from calibrate.__main__ import COMMANDS as CALIBRATE
from calibrate.configuration import MeasureConfig, VerifyConfig
from calibrate.measure import _steps
from calibrate.tensorrt.configuration import EngineConfig
from edge.__main__ import COMMANDS
from edge.bench.accuracy import AccuracyConfig
from edge.bench.commands import BENCH_COMMANDS
from edge.bench.latency import LatencyConfig
from edge.cli.command_line import run_command_line
from edge.contract.bundle import read_bundle
from edge.doctor.command import DoctorConfig
from edge.pose.registry import PoseConfig
from edge.soak.command import SoakConfig

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
