"""`calibrate measure` runs each step as a user would, and its report has what each step wrote."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest
from documented import ROOT
from test_docs_outputs import named

from calibrate.measure_report import as_markdown
from edge.machine import machine
from edge.soak.command import SoakResult

COMMAND = [sys.executable, "-m", "calibrate", "measure", "--bundle", str(ROOT / "bundles/everyday")]
SHORT = ["--runs", "1", "--soak_minutes", "0"]


def run(out: Path, *flags: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *SHORT, "--out", str(out), *flags]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def test_the_report_has_the_results_of_every_step(docs_workspace: Path, tmp_path: Path) -> None:
    clip, clips, videos = (docs_workspace / name for name in ("clip.mp4", "runs/test.npz", "videos"))
    done = run(tmp_path, "--source", str(clip), "--clips", str(clips), "--videos", str(videos))
    report = json.loads((tmp_path / "report.json").read_text())
    steps = report["steps"]
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
    assert f"- source: {clip}: 640x360" in page
    assert "| FP32 top-1" not in page and page.count("`python -m ") == len(files) + 1
    assert subprocess.run([*re.search(r"`(python -m edge doctor.+?)`", page)[1].split()], cwd=ROOT).returncode in (0, 1)


def with_stub(folder: Path, module: str, code: str) -> dict[str, str]:
    """An environment in which importing the module runs this code; sitecustomize is imported at every start."""
    folder.mkdir()
    (folder / f"{module}.py").write_text(code)
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": paths}


def test_steps_that_cannot_run_are_named_with_the_reason_and_the_others_run(tmp_path: Path) -> None:
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


def test_no_file_and_no_line_has_the_cameras_password(tmp_path: Path) -> None:
    done = run(tmp_path, "--source", "rtsp://user:s3cr3t@127.0.0.1:9/stream")
    assert "rtsp://user:***@127.0.0.1:9/stream" in (tmp_path / "report.md").read_text()
    assert "s3cr3t" not in done.stderr
    assert not any("s3cr3t" in path.read_text() for path in tmp_path.iterdir())


def test_a_crash_has_no_results_even_if_an_earlier_run_left_some(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "verify.json").write_text("{}")
    broken = with_stub(tmp_path / "stub", "onnx", "raise RuntimeError('broken')\n")
    done = run(out, "--source", str(tmp_path / "missing.mp4"), environment=broken)
    crashed = json.loads((out / "report.json").read_text())["steps"]["verification"]
    assert (crashed["exit_code"], crashed["results"], crashed["error"]) == (1, None, "RuntimeError: broken")
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "failed or missed a goal: verification"


def test_ctrl_c_keeps_the_report_of_the_finished_steps(docs_workspace: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "--out", str(tmp_path), "--source", str(docs_workspace / "clip.mp4")]
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


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--runs", "0"], "error: runs is 0; give a number in [1, inf)"),
        (["--clips", "none.npz"], "error: none.npz: cannot be read: No such file or directory; "),
    ],
)
def test_a_mistake_in_the_flags_ends_it_before_the_first_step(tmp_path: Path, flags: list[str], message: str) -> None:
    done = run(tmp_path / "out", *flags)
    assert done.returncode == 2 and done.stderr.startswith(message), done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "out/report.md").exists()


def page_of(name: str, results: dict) -> str:
    step = {"results": results, "command": f"python -m {name}", "seconds": 61.6, "exit_code": 0, "error": None}
    return as_markdown(
        {"bundle": "b", "machine": machine(), "date": "2026-01-02", "command": "c", "steps": {name: step}}
    )


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
