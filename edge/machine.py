"""Describe the machine that figures were measured on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import edge

PACKAGES = ("numpy", "opencv-python", "onnxruntime", "ai-edge-litert", "tensorrt", "pycuda")
MODELS = Path("/proc/device-tree/model"), Path("/device-tree/model")
"""Docker hides the first from containers; docker/run mounts the second."""
CPU_INFO = Path("/proc/cpuinfo")


def machine() -> dict[str, Any]:
    """Machine, CPU, cores, power_mode (None without nvpmodel) and versions, ready for JSON."""
    return {
        "machine": _board() or f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "power_mode": _power_mode(),
        "versions": {"skd-edge": edge.__version__, "python": platform.python_version(), **_packages()},
    }


def _board() -> str | None:
    """For example "NVIDIA Jetson Orin Nano Developer Kit"."""
    for path in MODELS:
        with suppress(OSError):
            return path.read_text(encoding="utf-8").strip("\0\n ")
    return None


def _cpu() -> str:
    try:
        lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _power_mode() -> str | None:
    """For example "NV Power Mode: MAXN", from nvpmodel, which only a Jetson has."""
    program = shutil.which("nvpmodel")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-q"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return next((line.strip() for line in done.stdout.splitlines() if "Power Mode" in line), None)


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
