"""``python -m calibrate measure``: everything that can be measured on this device, as one report to publish.

Each step is a command of its own process, as a user would run it: a crash in a driver ends that step only, and memory
is that of the step. The report has the commands, so that each can be repeated.
"""

from __future__ import annotations

import codecs
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from shlex import join
from typing import Any

import yaml

from calibrate.calibration_set import clips_for
from calibrate.configuration import MeasureConfig
from calibrate.measure_report import as_markdown
from edge.cli.console import console, print_warning
from edge.cli.exit_codes import FAILED, INTERRUPTED, USER_ERROR
from edge.contract.bundle import STUDENT_ENGINE, read_bundle
from edge.contract.errors import DataError
from edge.contract.files import require_writable, write_json, write_text
from edge.contract.passwords import without_passwords
from edge.contract.reading import read_json
from edge.engines.engine_manifest import manifest_path
from edge.machine import machine

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ERROR = re.compile(r"^error: (.+)", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A command. arguments: after ``python -m``. writes: the JSON file with its results.

    printed: whether the command prints them, instead of writing the file itself.
    """

    name: str
    arguments: Sequence[str]
    writes: Path
    printed: bool = False

    @property
    def command(self) -> str:
        """For display and the report."""
        return without_passwords(f"python -m {join(self.arguments)}")


def measure(config: MeasureConfig) -> None:
    """Run all steps; exit code 1 if one has no result or missed its goal. The report is written after each step.

    Before anything is measured, raises BundleError or DataError for a damaged bundle or unsuitable clips, and
    OutputError if the report cannot be written.
    """
    bundle = read_bundle(config.bundle)
    if config.clips is not None:
        clips_for(bundle, config.clips)
    report_json, report_md = config.out / "report.json", config.out / "report.md"
    require_writable(report_json, report_md)
    steps = _steps(config)
    report: dict[str, Any] = {
        "date": date.today().isoformat(),
        "bundle": bundle.manifest.name,
        "machine": machine(),
        "command": f"python -m calibrate {without_passwords(join(sys.argv[1:]))}",
        "steps": {},
    }
    if find_spec("onnx") is None:
        print_warning("verification cannot run without the package onnx; stop now, and install it: make setup")
    for number, step in enumerate(steps, 1):
        console.print(f"step {number} of {len(steps)}, {step.name}: {step.command}")
        report["steps"][step.name] = _run(step)
        write_json(report_json, report)
        write_text(report_md, as_markdown(report))
    console.print(f"written  {report_md}, {report_json}")
    bad = {name: result for name, result in report["steps"].items() if result["exit_code"]}
    for name, result in bad.items():
        if result["exit_code"] == USER_ERROR:
            console.print(f"{name} could not run: {result['error']}")
    if failed := [name for name, result in bad.items() if result["exit_code"] != USER_ERROR]:
        console.print(f"failed or missed a goal: {', '.join(failed)}")
    if bad:
        raise SystemExit(FAILED)


def _steps(config: MeasureConfig) -> list[Step]:
    """In order; engines come before the steps that use them."""
    out, bundle = config.out, ["--bundle", str(config.bundle)]
    clips = [] if config.clips is None else ["--clips", str(config.clips)]
    pose = {"bundle": str(config.bundle), "pose": _plain(asdict(config.pose))}
    steps = [Step("checks", ("edge", "doctor", "--json", *bundle), out / "doctor.json", printed=True)]
    if find_spec("tensorrt") is not None:
        written = manifest_path(config.bundle / STUDENT_ENGINE)
        steps.append(Step("engines", ("calibrate", "engine", *bundle, *clips), written))
    verified = out / "verify.json"
    verify = ("calibrate", "verify", *bundle, *clips, "--report", str(verified))
    steps.append(Step("verification", verify, verified))
    latency = {**pose, "runs": config.runs, "out": str(out)}
    # Not in the file, because an address may contain a password.
    source = () if config.source is None else ("--source", config.source)
    flags = *_config_file(out / "latency.yaml", latency), *source
    steps.append(Step("latency", ("edge", "bench", "latency", *flags), out / "latency.json"))
    if config.videos is not None:
        accuracy = {**pose, "videos": str(config.videos), "report": str(out / "accuracy.json")}
        flags = _config_file(out / "accuracy.yaml", accuracy)
        steps.append(Step("accuracy", ("edge", "bench", "accuracy", *flags), out / "accuracy.json"))
    if config.soak_minutes:
        soak = {**pose, "minutes": config.soak_minutes, "report": str(out / "soak.json")}
        steps.append(Step("soak", ("edge", "soak", *_config_file(out / "soak.yaml", soak)), out / "soak.json"))
    return steps


def _config_file(path: Path, values: dict[str, Any]) -> tuple[str, str]:
    """Write a configuration file, for a command that takes the pose estimator's many settings."""
    write_text(path, yaml.safe_dump(values, sort_keys=False))
    return "--config", str(path)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}


def _run(step: Step) -> dict[str, Any]:
    """Run a step. Returns its command, duration, exit code, error line and results, for the report."""
    started, before = time.monotonic(), _modified(step.writes)
    exit_code, output, messages = _output_of([sys.executable, "-m", *step.arguments], step.printed)
    if exit_code in (INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    if output:
        write_text(step.writes, output)
    # Python exits with 1, too, if a step crashes; then the file is missing, or of an earlier run.
    done = exit_code in (0, FAILED) and _modified(step.writes) != before
    errors = _ERROR.findall(messages) or ([] if done else messages.splitlines()[-1:])
    return {
        "command": step.command,
        "seconds": round(time.monotonic() - started, 1),
        "exit_code": exit_code,
        "error": errors[-1] if errors else None,
        "results": read_json(step.writes, DataError, f"run this step alone: {step.name}") if done else None,
    }


def _modified(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.is_file() else None


def _output_of(command: Sequence[str], printed: bool) -> tuple[int, str, str]:
    """Run a command and show its stderr as it comes. Returns exit code, stdout if ``printed``, and stderr."""
    environment = {**os.environ, **({"FORCE_COLOR": "1"} if sys.stderr.isatty() else {})}  # keeps progress bars
    messages = ""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE if printed else None, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stderr is not None
        try:
            while chunk := os.read(process.stderr.fileno(), 4096):
                text = decoder.decode(chunk)
                console.file.write(text)
                messages += text
        except KeyboardInterrupt:  # perhaps of this process alone
            process.terminate()
            raise
        output = process.stdout.read() if process.stdout is not None else b""  # short enough for the pipe
    # A bar is redrawn after a carriage return, and what follows a bar that is removed may begin with one.
    return process.returncode, output.decode(errors="replace"), _ESCAPES.sub("", messages).replace("\r", "\n")
