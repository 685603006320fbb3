"""`docker stop` and Docker's init, which is tini, on the entrypoint in a PID namespace like a container's."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle

from edge.capture.pose_recording import RecordingHeader, frame_line
from edge.contract.types import Frame, FrameResult

ROOT = Path(__file__).parents[2]
NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
WAIT_S = 60
HEADER, IMAGE = RecordingHeader("trt_pose-18", 30.0, (64, 48), "a camera", "a network"), np.zeros((48, 64, 3), np.uint8)
# Replaces the image's Python. It has TensorRT but no engine, and its build never ends.
BUILDER = """#!/bin/sh
case "$2" in *open_engine*) exit 1 ;; calibrate) echo building; exec sleep 60 ;; esac
"""


@pytest.fixture(scope="module", autouse=True)
def namespaces():
    if not shutil.which("tini"):
        pytest.skip("apt install tini")
    if not shutil.which("unshare") or subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("PID namespaces need root")


@contextmanager
def container(tmp_path, *arguments, **environment):
    """Run the entrypoint below tini. Yields the process outside, and the id of process 1 of the container."""
    known = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "SKD_PYTHON": sys.executable}
    command = [*NAMESPACE, "tini", "--", str(ROOT / "docker/entrypoint"), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=known | environment, text=True, **pipes) as process:
        try:
            yield process, lambda: int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        finally:
            process.kill()


def is_healthy(process_1):
    enter = ["nsenter", "--target", str(process_1), "--pid", "--mount"]
    return subprocess.run([*enter, str(ROOT / "docker/healthy")], check=False).returncode == 0


def stopped(process, process_1):
    """The exit code, and the seconds until the container has ended."""
    start = time.monotonic()
    os.kill(process_1, signal.SIGTERM)
    process.wait(WAIT_S)
    return process.returncode, time.monotonic() - start


def test_a_build_of_engines_ends_at_once(tmp_path):
    bundle = tiny_bundle.make(tmp_path / "mounted")
    (tmp_path / "python").write_text(BUILDER)
    (tmp_path / "python").chmod(0o755)
    known = {"SKD_MOUNTED_BUNDLE": str(bundle), "SKD_PYTHON": str(tmp_path / "python")}
    with container(tmp_path, "edge", "demo", **known) as (process, process_1):
        assert process.stdout.readline() == "building\n"
        assert not is_healthy(process_1())
        code, seconds = stopped(process, process_1())
    assert code == 143 and seconds < 5


def test_modules_that_load_end_at_once(tmp_path):
    (tmp_path / "jsonargparse.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(60)\n")
    path = f"{tmp_path}:{ROOT}"
    with container(tmp_path, "edge", "run", PYTHONPATH=path) as (process, process_1):
        assert process.stdout.readline() == "loading\n"
        assert is_healthy(process_1())
        code, seconds = stopped(process, process_1())
    assert code == 143 and seconds < 5


def test_the_camera_loop_completes_its_files(tmp_path):
    bundle, poses, people = tiny_bundle.make(tmp_path / "tiny"), tmp_path / "poses.jsonl", tmp_path / "people.jsonl"
    frames = (FrameResult(Frame(n, n / 30, IMAGE), (), {}, ()) for n in range(40_000))
    with poses.open("w") as out:
        out.writelines(f"{line}\n" for line in (HEADER.line(), *map(frame_line, frames)))
    arguments = ("run", "--source", f"replay://{poses}", "--bundle", str(bundle), "--sinks.json", str(people))
    growing = people.with_name("people.partial.jsonl")
    with container(tmp_path, "edge", *arguments) as (process, process_1):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end and not (growing.exists() and growing.stat().st_size):
            time.sleep(0.02)
        assert is_healthy(process_1())
        code, seconds = stopped(process, process_1())
        assert process.stderr.read().splitlines()[-1] == "interrupted; the output so far is kept"
    assert code == 143 and seconds < 8
    written = [json.loads(line)["frame"] for line in people.read_text().splitlines()]
    assert written == list(range(len(written))) and 0 < len(written) < 40_000 and not growing.exists()
