"""ONNX Runtime before 1.27 aborts the process on arm64 if cores of the processor are off, as in some power modes."""

from __future__ import annotations

import platform
import re
import signal
import subprocess
import sys
from functools import cache

from edge.host import Host
from edge.machine import onnx_runtime_version

FIXED = 1, 27
CORES = "/sys/devices/system/cpu/"
COMMAND = sys.executable, "-c", "import onnxruntime"
TIMEOUT_S = 60.0


def abort_of_onnx_runtime(host: Host) -> str | None:
    """Why importing ONNX Runtime would abort this process, None if it would not.

    It also depends on what the kernel tells of cores that are off, so where it may abort, another process tries.
    Sources: microsoft/onnxruntime #24092, #24221, #25103.
    """
    if platform.machine() != "aarch64":
        return None
    version = onnx_runtime_version() or ""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if not numbers or numbers >= FIXED:
        return None
    if host.read(f"{CORES}online") == host.read(f"{CORES}present") or not _aborts(COMMAND):
        return None
    return f"ONNX Runtime {version} aborts while cores of the processor are off"


@cache
def _aborts(command: tuple[str, ...]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S).returncode == -signal.SIGABRT
    except (OSError, subprocess.TimeoutExpired):
        return False
