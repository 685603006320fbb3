"""Python and the packages that runtimes and cameras need."""

from __future__ import annotations

import re

from edge.doctor.board import FIRST_LINE
from edge.doctor.finding import Finding, not_here

PYTHONS = (3, 10), (3, 12)
NEEDED_TENSORRT: dict[int, tuple[tuple[int, int], int]] = {5: ((8, 5), 8), 6: ((8, 6), 10), 7: ((10, 13), 11)}
"""By JetPack's major version: the first TensorRT that NVIDIA ships with it, and the last major version."""
CUDA = {5: "11.4", 6: "12.6", 7: "13.0"}
"""By JetPack's major version: its CUDA, where this machine does not tell."""

SYSTEM_PACKAGES = "in a virtual environment: python3 -m venv --system-site-packages"


def python(version: tuple[int, int]) -> Finding:
    """version: major and minor."""
    said = ".".join(map(str, version))
    if PYTHONS[0] <= version <= PYTHONS[1]:
        return Finding("Python", "ok", said)
    return Finding("Python", "fail", f"{said}; 3.10 to 3.12 are supported", "use one of them, or the image: docker/run")


def tensorrt(version: str | None, line: int | None, on_jetson: bool, installed: bool = False) -> Finding:
    """version: of the Python package, None where it cannot be imported. line: JetPack's, None where unknown.

    installed: the package is there all the same, as in the image that compiles it for JetPack 5.
    """
    if not on_jetson:
        return not_here("TensorRT", "none; networks run on ONNX Runtime" if version is None else version)
    if version is None and line is not None and line < FIRST_LINE and not installed:
        instead = "ONNX Runtime on the CPU instead" + (", or docker/run --engines" if line == 5 else "")
        return not_here("TensorRT", f"JetPack {line}'s has no bindings for this Python; {instead}")
    if version is None and installed:
        mend = "python3 -c 'import tensorrt' says why; in a container: docker run --runtime nvidia"
        return Finding("TensorRT", "fail", "installed, and Python cannot import it", mend)
    if version is None:
        mend = f"sudo apt install python3-libnvinfer; {SYSTEM_PACKAGES}"
        return Finding("TensorRT", "fail", "Python cannot import it", mend)
    numbers = _numbers(version)
    if line is not None and line in NEEDED_TENSORRT and len(numbers) >= 2:
        first, last = NEEDED_TENSORRT[line]
        if not (first <= numbers[:2] and numbers[0] <= last):
            said = f"{version}, which is not JetPack {line}'s: engines and libraries may not fit"
            mend = "pip uninstall tensorrt; sudo apt install python3-libnvinfer; or the image: docker/run"
            return Finding("TensorRT", "warn", said, mend)
    return Finding("TensorRT", "ok", version)


def pycuda(
    problem: str | None, version: str | None, line: int | None, on_jetson: bool, cuda: str | None = None
) -> Finding:
    """problem: what importing it or opening the GPU said. cuda: version of what is installed, None where unknown."""
    if problem is None:
        return Finding("pycuda", "ok", version or "there")
    if not on_jetson or (version is None and line is not None and line < FIRST_LINE):
        return not_here("pycuda", "none; only TensorRT engines need it")
    if "NVIDIA driver" in problem or "NVIDIA GPU" in problem:
        return Finding(
            "pycuda", "fail", problem, "in a container: docker run --runtime nvidia; else flash the board again"
        )
    # Packages of CUDA have its version in their names: libcurand-dev-12-6.
    of_cuda = "-".join((cuda or CUDA.get(line or 0, "12.6")).split(".")[:2])
    packages = f"python3-dev g++ libcurand-dev-{of_cuda}"
    mend = f"sudo apt install {packages}; PATH=/usr/local/cuda/bin:$PATH pip install pycuda"
    return Finding("pycuda", "fail", problem, f"{mend}; or the image: docker/run")


def opencv(version: str | None, build_information: str, on_jetson: bool) -> Finding:
    """build_information: of ``cv2.getBuildInformation()``, with a line ``GStreamer: YES (1.20.3)``."""
    if version is None:
        mend = f"sudo apt install python3-opencv; {SYSTEM_PACKAGES}" if on_jetson else "pip install 'skd-edge[edge]'"
        return Finding("OpenCV", "fail", "Python cannot import it", mend)
    streamed = re.search(r"GStreamer:\s+YES(?:\s+\(([\d.]+)\))?", build_information)
    if streamed:
        return Finding("OpenCV", "ok", f"{version}, GStreamer {streamed[1] or 'yes'}")
    if not on_jetson:
        return Finding("OpenCV", "ok", f"{version}; without GStreamer, which only csi:// needs")
    mend = "pip uninstall opencv-python opencv-python-headless; sudo apt install python3-opencv"
    return Finding("OpenCV", "warn", f"{version} without GStreamer: no CSI camera, no hardware decoder", mend)


def runtime(name: str, version: str | None, *, needed_for: str) -> Finding:
    """A runtime on the CPU."""
    if version is not None:
        return Finding(name, "ok", version)
    return Finding(name, "warn", f"not installed: no {needed_for}", "pip install 'skd-edge[edge]'")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
