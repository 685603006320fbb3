"""Which board, which L4T, and so which JetPack, CUDA and Python to expect."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edge.doctor.finding import Finding, not_here

JETPACKS = {
    (35, 1, 0): "5.0.2",
    (35, 2, 1): "5.1",
    (35, 3, 1): "5.1.1",
    (35, 4, 1): "5.1.2",
    (35, 5, 0): "5.1.3",
    (35, 6, 0): "5.1.4",
    (35, 6, 1): "5.1.5",
    (36, 2, 0): "6.0 DP",
    (36, 3, 0): "6.0",
    (36, 4, 0): "6.1",
    (36, 4, 3): "6.2",
    (36, 4, 4): "6.2.1",
    (36, 4, 7): "6.2.1",
    (36, 5, 0): "6.2.2",
    (38, 2, 0): "7.0",
    (38, 4, 0): "7.1",
    (39, 2, 0): "7.2",
}
"""L4T to JetPack, as NVIDIA's release notes pair them."""

LINES = {32: 4, 34: 5, 35: 5, 36: 6, 38: 7, 39: 7}
"""Major version of L4T to that of JetPack."""

FIRST_LINE = 6
"""The first JetPack whose TensorRT has bindings for a Python that this release runs on."""

CHIPS = {
    "tegra210": "Nano, TX1",
    "tegra186": "TX2",
    "tegra194": "Xavier",
    "tegra234": "Orin",
    "tegra264": "Thor",
}
LAST_JETPACK = {"tegra210": 4, "tegra186": 4, "tegra194": 5}
"""The newest JetPack for chips that newer ones left behind."""


@dataclass(frozen=True)
class L4t:
    """Version of Jetson Linux: 36, 4, 3 for R36.4.3."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def line(self) -> int | None:
        """Major version of JetPack, None for an L4T that came after this release."""
        return LINES.get(self.major)

    @property
    def jetpack(self) -> str:
        """The JetPack by its table, else its line."""
        exact = JETPACKS.get((self.major, self.minor, self.patch))
        return exact or (f"{self.line} (L4T {self} is in no table here)" if self.line else "unknown")


def read_l4t(release: str) -> L4t | None:
    """From /etc/nv_tegra_release, whose first line begins ``# R36 (release), REVISION: 4.3, GCID: ...``."""
    found = re.search(r"#\s*R(\d+)\s*\(release\),\s*REVISION:\s*(\d+)(?:\.(\d+))?", release)
    return None if found is None else L4t(int(found[1]), int(found[2]), int(found[3] or 0))


def packaged_l4t(version: str) -> L4t | None:
    """From the version of the package nvidia-l4t-core, say ``38.4.0-20251230160601``."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?-", version)
    return None if found is None else L4t(int(found[1]), int(found[2]), int(found[3] or 0))


def l4t_of(release: str | None, package: str | None) -> L4t | None:
    """By the file where there is one, else by the package. None where neither tells."""
    return packaged_l4t(package or "") if release is None else read_l4t(release)


def board(model: str | None, compatible: str | None) -> Finding:
    """From the device tree: its model, and the list of names its chip is compatible with."""
    if not model or ("tegra" not in (compatible or "") and "Jetson" not in model):
        return not_here("board", "not a Jetson: only what a laptop needs is looked at")
    chip = next((chip for chip in CHIPS if chip in (compatible or "")), None)
    return Finding("board", "ok", model if chip is None else f"{model} ({chip}, {CHIPS[chip]})")


def jetpack(release: str | None, compatible: str | None, package: str | None = None) -> Finding:
    """From /etc/nv_tegra_release, or the package it belongs to; and the device tree for what the chip can have at most.

    package: version of nvidia-l4t-core, which a system that NVIDIA's tools did not flash may have without the file.
    """
    l4t = l4t_of(release, package)
    if release is None and l4t is None:
        if "tegra" not in (compatible or ""):
            return not_here("JetPack")
        mend = "sudo apt install nvidia-l4t-core (in a container: -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro)"
        return Finding("JetPack", "warn", "/etc/nv_tegra_release cannot be read", mend)
    if l4t is None:
        return Finding(
            "JetPack", "fail", "/etc/nv_tegra_release is not understood", "sudo apt install --reinstall nvidia-l4t-core"
        )
    said = f"JetPack {l4t.jetpack}, L4T {l4t}"
    if l4t.line is None:
        return Finding("JetPack", "warn", said, "newer than this release of skd-edge: update it")
    if l4t.line >= FIRST_LINE:
        return Finding("JetPack", "ok", said)
    chip = next((chip for chip in LAST_JETPACK if chip in (compatible or "")), None)
    if chip is None:
        return Finding(
            "JetPack", "fail", f"{said}: its Python is too old for TensorRT here", "flash JetPack 6 or later"
        )
    if l4t.line == 5:
        mend = "docker/run --engines compiles bindings of its TensorRT, untried on a board; else an Orin or Thor"
        return Finding("JetPack", "warn", f"{said}, the last for {CHIPS[chip]}: on the CPU without --engines", mend)
    return Finding("JetPack", "fail", f"{said}, the last for {CHIPS[chip]}", "no release for it: use an Orin or Thor")


def cuda(version_json: str | None, libraries: Sequence[str], on_jetson: bool) -> Finding:
    """From /usr/local/cuda/version.json, which CUDA's toolkit brings; else from the names of the runtime's library."""
    version = cuda_version(version_json, libraries)
    if version is not None:
        return Finding("CUDA", "ok", version if version_json is not None else f"{version}, its runtime")
    if version_json is not None:
        return Finding(
            "CUDA", "warn", "/usr/local/cuda/version.json is not understood", "sudo apt install nvidia-jetpack"
        )
    if not on_jetson:
        return not_here("CUDA", "none; networks run on the CPU")
    return Finding("CUDA", "fail", "not installed", "sudo apt install nvidia-jetpack")


def cuda_version(version_json: str | None, libraries: Sequence[str]) -> str | None:
    """For instance "12.6.68", from what :func:`cuda` is given; None where it does not tell."""
    if version_json is None:
        named = [found[1] for name in libraries if (found := re.search(r"libcudart\.so\.(\d+\.[\d.]+)$", name))]
        return named[-1] if named else None
    try:
        return str(json.loads(version_json)["cuda"]["version"])
    except (ValueError, KeyError, TypeError):
        return None
