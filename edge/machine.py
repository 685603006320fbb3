"""Describe the machine that figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from typing import Any

import edge
from edge.host import ThisHost, device_tree

PACKAGES = ("numpy", "opencv-python", "onnxruntime", "onnxruntime-gpu", "ai-edge-litert", "tensorrt", "pycuda")
NVPMODEL_FILES = "/var/lib/nvpmodel/status", "/etc/nvpmodel.conf"


def machine() -> dict[str, Any]:
    """Machine, CPU, cores, power_mode (None if unknown) and versions, ready for JSON."""
    versions = {name: version for name in PACKAGES if (version := package_version(name)) is not None}
    return {
        "machine": device_tree(ThisHost(), "model") or f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "power_mode": _power_mode(),
        "versions": {"skd-edge": edge.__version__, "python": platform.python_version(), **versions},
    }


def _cpu() -> str:
    lines = (ThisHost().read("/proc/cpuinfo") or "").splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def _power_mode() -> str | None:
    """For example "NV Power Mode: MAXN", which only a Jetson has; a container lacks nvpmodel, but not its files."""
    host = ThisHost()
    name = mode_name(host.run("nvpmodel", "-q")) or saved_mode(*(host.read(path) for path in NVPMODEL_FILES))
    return None if name is None else f"NV Power Mode: {name}"


def mode_name(nvpmodel: str | None) -> str | None:
    """``MAXN`` from the output of ``nvpmodel -q``, which has "NV Power Mode: MAXN" among other lines."""
    found = re.search(r"NV Power Mode:\s*(\S+)", nvpmodel or "")
    return None if found is None else found[1]


def modes(configuration: str | None) -> dict[str, int]:
    """Name -> number, from /etc/nvpmodel.conf: ``< POWER_MODEL ID=0 NAME=MAXN >``."""
    found = re.findall(r"^\s*<\s*POWER_MODEL\s+ID=(\d{1,9})\s+NAME=(\S+)\s*>", configuration or "", re.MULTILINE)
    return {name: int(number) for number, name in found}


def saved_mode(status: str | None, configuration: str | None) -> str | None:
    """From /var/lib/nvpmodel/status, which has ``pmode:0002``; a container has nothing else."""
    number = re.search(r"\bpmode:(\d{1,9})\b", status or "")
    names = {known: name for name, known in modes(configuration).items()}
    return None if number is None else names.get(int(number[1]))


def package_version(name: str) -> str | None:
    """Version of an installed package, None if there is no such package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def onnx_runtime_version() -> str | None:
    """Version of ONNX Runtime, whose package for the GPU takes the place of the other."""
    return package_version("onnxruntime") or package_version("onnxruntime-gpu")
