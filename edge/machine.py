"""Describe the machine that figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import edge

PACKAGES = ("numpy", "opencv-python", "onnxruntime", "ai-edge-litert", "tensorrt", "pycuda")
MODELS = Path("/proc/device-tree/model"), Path("/device-tree/model")
"""Docker hides the first from containers; docker/run mounts the second."""
CPU_INFO = Path("/proc/cpuinfo")
NVPMODEL_FILES = Path("/var/lib/nvpmodel/status"), Path("/etc/nvpmodel.conf")


def machine() -> dict[str, Any]:
    """Machine, CPU, cores, power_mode (None if unknown) and versions, ready for JSON."""
    return {
        "machine": _board() or f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "power_mode": _power_mode(),
        "versions": {"skd-edge": edge.__version__, "python": platform.python_version(), **_packages()},
    }


def _board() -> str | None:
    """For example "NVIDIA Jetson Orin Nano Developer Kit"."""
    return next((text.strip("\0\n ") for path in MODELS if (text := _text(path))), None)


def _cpu() -> str:
    lines = _text(CPU_INFO).splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def _power_mode() -> str | None:
    """For example "NV Power Mode: MAXN", which only a Jetson has; a container lacks nvpmodel, but not its files."""
    name = mode_name(_nvpmodel()) or saved_mode(*map(_text, NVPMODEL_FILES))
    return None if name is None else f"NV Power Mode: {name}"


def _nvpmodel() -> str:
    try:
        done = subprocess.run(["nvpmodel", "-q"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def mode_name(nvpmodel: str) -> str | None:
    """``MAXN`` from the output of ``nvpmodel -q``, which has "NV Power Mode: MAXN" among other lines."""
    found = re.search(r"NV Power Mode:\s*(\S+)", nvpmodel)
    return None if found is None else found[1]


def modes(configuration: str) -> dict[str, int]:
    """Name -> number, from /etc/nvpmodel.conf: ``< POWER_MODEL ID=0 NAME=MAXN >``."""
    found = re.findall(r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", configuration, re.MULTILINE)
    return {name: int(number) for number, name in found}


def saved_mode(status: str, configuration: str) -> str | None:
    """From /var/lib/nvpmodel/status, which has ``pmode:0002``; a container has nothing else."""
    number = re.search(r"\bpmode:(\d+)", status)
    names = {known: name for name, known in modes(configuration).items()}
    return None if number is None else names.get(int(number[1]))


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
