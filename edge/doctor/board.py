"""The board, its L4T and JetPack versions, and CUDA."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edge.doctor.finding import Finding, not_applicable

JETPACKS = {
    (35, 1, 0): "5.0.2",
    (35, 2, 1): "5.1",
    (35, 3, 1): "5.1.1",
    (35, 4, 1): "5.1.2",
    (35, 5, 0): "5.1.3",
    (35, 6, 0): "5.1.4",
    (35, 6, 1): "5.1.5",
    (35, 6, 2): "5.1.5",
    (35, 6, 4): "5.1.6",
    (35, 6, 5): "5.1.7",
    (36, 2, 0): "6.0 DP",
    (36, 3, 0): "6.0",
    (36, 4, 0): "6.1",
    (36, 4, 3): "6.2",
    (36, 4, 4): "6.2.1",
    (36, 4, 7): "6.2.1",
    (36, 5, 0): "6.2.2",
    (36, 5, 2): "6.2.3",
    (38, 2, 0): "7.0",
    (38, 2, 1): "7.0",
    (38, 4, 0): "7.1",
    (39, 2, 0): "7.2",
    (39, 2, 1): "7.2.1",
}
"""L4T -> JetPack, from NVIDIA's release notes."""

JETPACK_MAJOR = {32: 4, 34: 5, 35: 5, 36: 6, 38: 7, 39: 7}
"""Major version of L4T -> major version of JetPack."""

MIN_JETPACK = 6
"""The first JetPack whose TensorRT has bindings for a Python version that this project supports."""

CHIPS = {"tegra210": "Nano, TX1", "tegra186": "TX2", "tegra194": "Xavier", "tegra234": "Orin", "tegra264": "Thor"}
LAST_JETPACK = {"tegra210": 4, "tegra186": 4, "tegra194": 5}
"""The last JetPack for chips that newer ones do not support."""


@dataclass(frozen=True)
class L4t:
    """Version of Jetson Linux: 36, 4, 3 for R36.4.3."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def jetpack_major(self) -> int | None:
        """Major version of JetPack, None for an L4T newer than this release."""
        return JETPACK_MAJOR.get(self.major)

    @property
    def jetpack(self) -> str:
        """The JetPack version, or only its major version for an L4T that is not in the table."""
        exact = JETPACKS.get((self.major, self.minor, self.patch))
        return exact or (f"{self.jetpack_major} (exact version unknown)" if self.jetpack_major else "unknown")


def read_l4t(release: str | None, package: str | None = None) -> L4t | None:
    """From the file if it exists, else from the package. None if both are missing or unreadable.

    release: /etc/nv_tegra_release, whose first line begins ``# R36 (release), REVISION: 4.3, GCID: ...``.
    package: version of nvidia-l4t-core, such as ``38.4.0-20251230160601``.
    """
    if release is None:
        found = re.match(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?-", package or "")
    else:
        found = re.search(r"#\s*R(\d{1,9})\s*\(release\),\s*REVISION:\s*(\d{1,9})(?:\.(\d{1,9}))?", release)
    return None if found is None else L4t(int(found[1]), int(found[2]), int(found[3] or 0))


def board(model: str | None, compatible: str | None) -> Finding:
    """From the device tree: its model, and its list of compatible names."""
    if not model or ("tegra" not in (compatible or "") and "Jetson" not in model):
        return not_applicable("board", "not a Jetson; checks only what a laptop needs")
    chip = next((chip for chip in CHIPS if chip in (compatible or "")), None)
    return Finding("board", "ok", model if chip is None else f"{model} ({chip}, {CHIPS[chip]})")


def jetpack(release: str | None, compatible: str | None, package: str | None = None) -> Finding:
    """From /etc/nv_tegra_release or its package, and the device tree, which tells the newest JetPack for the chip.

    package: version of nvidia-l4t-core; systems that NVIDIA's tools did not flash may have it without the file.
    """
    l4t = read_l4t(release, package)
    if release is None and l4t is None:
        if "tegra" not in (compatible or ""):
            return not_applicable("JetPack")
        fix = "sudo apt install nvidia-l4t-core (in a container: -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro)"
        return Finding("JetPack", "warn", "/etc/nv_tegra_release cannot be read", fix)
    if l4t is None:
        fix = "sudo apt install --reinstall nvidia-l4t-core"
        return Finding("JetPack", "fail", "/etc/nv_tegra_release has an unknown format", fix)
    text = f"JetPack {l4t.jetpack}, L4T {l4t}"
    if l4t.jetpack_major is None:
        return Finding("JetPack", "warn", text, "update skd-edge: this release does not know it")
    if l4t.jetpack_major >= MIN_JETPACK:
        return Finding("JetPack", "ok", text)
    chip = next((chip for chip in LAST_JETPACK if chip in (compatible or "")), None)
    if chip is None or l4t.jetpack_major < LAST_JETPACK[chip]:
        newer = "6 or later" if chip is None else str(LAST_JETPACK[chip])
        return Finding("JetPack", "fail", f"{text}: no TensorRT for Python 3.10 or later", f"flash JetPack {newer}")
    if l4t.jetpack_major == 5:
        fix = "docker/run --engines compiles bindings of its TensorRT (untested on a board); or use an Orin or Thor"
        return Finding("JetPack", "warn", f"{text}, the last for {CHIPS[chip]}: on the CPU without --engines", fix)
    return Finding("JetPack", "fail", f"{text}, the last for {CHIPS[chip]}", "not supported: use an Orin or Thor")


def cuda(version_json: str | None, libraries: Sequence[str], on_jetson: bool) -> Finding:
    """From the toolkit's /usr/local/cuda/version.json, else from the file name of the runtime library."""
    version = cuda_version(version_json, libraries)
    if version is not None:
        return Finding("CUDA", "ok", version if version_json is not None else f"{version}, runtime only")
    if version_json is not None:
        return Finding(
            "CUDA", "warn", "/usr/local/cuda/version.json has an unknown format", "sudo apt install nvidia-jetpack"
        )
    if not on_jetson:
        return not_applicable("CUDA", "not installed; networks run on the CPU")
    return Finding("CUDA", "fail", "not installed", "sudo apt install nvidia-jetpack")


def cuda_version(version_json: str | None, libraries: Sequence[str]) -> str | None:
    """For instance "12.6.68", from the arguments of :func:`cuda`; None if unknown."""
    if version_json is None:
        named = [found[1] for name in libraries if (found := re.search(r"libcudart\.so\.(\d+\.[\d.]+)$", name))]
        return named[-1] if named else None
    try:
        return str(json.loads(version_json)["cuda"]["version"])
    except (ValueError, KeyError, TypeError):
        return None
