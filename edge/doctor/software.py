"""Python, and the packages that runtimes and cameras need."""

from __future__ import annotations

import re

from edge.doctor.board import MIN_JETPACK
from edge.doctor.finding import Finding, not_applicable

PYTHONS = (3, 10), (3, 12)
NEEDED_TENSORRT: dict[int, tuple[tuple[int, int], int]] = {5: ((8, 5), 8), 6: ((8, 6), 10), 7: ((10, 13), 11)}
"""JetPack's major version -> the oldest TensorRT that NVIDIA ships with it, and the newest major version."""
CUDA = {5: "11.4", 6: "12.6", 7: "13.0"}
"""JetPack's major version -> its CUDA, if this machine's is unknown."""

GSTREAMER = re.compile(r"GStreamer:\s+YES(?:\s+\(([\d.]+)\))?")
"""The line of OpenCV's build information."""
NO_GSTREAMER = (
    "csi:// needs an OpenCV with GStreamer",
    "pip uninstall opencv-python opencv-python-headless; sudo apt install python3-opencv",
)

SYSTEM_PACKAGES = "in a virtual environment: python3 -m venv --system-site-packages"


def python(version: tuple[int, int]) -> Finding:
    """version: major and minor."""
    text = ".".join(map(str, version))
    if PYTHONS[0] <= version <= PYTHONS[1]:
        return Finding("Python", "ok", text)
    return Finding("Python", "fail", f"{text}; 3.10 to 3.12 are supported", "use one of them, or the image: docker/run")


def tensorrt(version: str | None, jetpack: int | None, on_jetson: bool, installed: bool = False) -> Finding:
    """version: None if it cannot be imported. jetpack: major version, None if unknown.

    installed: whether the package is installed, as in the JetPack 5 image that compiles it.
    """
    if not on_jetson:
        return not_applicable("TensorRT", "not installed; networks run on ONNX Runtime" if version is None else version)
    if version is None and jetpack is not None and jetpack < MIN_JETPACK and not installed:
        instead = "ONNX Runtime on the CPU instead" + (", or docker/run --engines" if jetpack == 5 else "")
        return not_applicable("TensorRT", f"JetPack {jetpack}'s has no bindings for this Python; {instead}")
    if version is None and installed:
        fix = "python3 -c 'import tensorrt' shows why; in a container: docker run --runtime nvidia"
        return Finding("TensorRT", "fail", "installed, but Python cannot import it", fix)
    if version is None:
        fix = f"sudo apt install python3-libnvinfer; {SYSTEM_PACKAGES}"
        return Finding("TensorRT", "fail", "Python cannot import it", fix)
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if jetpack is not None and jetpack in NEEDED_TENSORRT and len(numbers) >= 2:
        first, last = NEEDED_TENSORRT[jetpack]
        if not (first <= numbers and numbers[0] <= last):
            text = f"{version}, which is not JetPack {jetpack}'s: engines and libraries may be incompatible"
            fix = "pip uninstall tensorrt; sudo apt install python3-libnvinfer; or the image: docker/run"
            return Finding("TensorRT", "warn", text, fix)
    return Finding("TensorRT", "ok", version)


def pycuda(
    problem: str | None, version: str | None, jetpack: int | None, on_jetson: bool, cuda: str | None = None
) -> Finding:
    """problem: the error of importing it or opening the GPU. cuda: installed version, None if unknown."""
    if problem is None:
        return Finding("pycuda", "ok", version or "installed")
    if not on_jetson or (version is None and jetpack is not None and jetpack < MIN_JETPACK):
        return not_applicable("pycuda", "not installed; only TensorRT engines need it")
    if "operation not supported" in problem:
        # What the driver answers to a user who may not open its devices.
        fix = "sudo usermod -aG video,render $USER, then log in again; a container needs both too: docker/run"
        return Finding("pycuda", "fail", problem, fix)
    if "out of memory" in problem:
        return Finding("pycuda", "fail", problem, "close other programs")
    if "NVIDIA driver" in problem or "NVIDIA GPU" in problem:
        fix = "in a container: docker run --runtime nvidia; else flash the board again"
        return Finding("pycuda", "fail", problem, fix)
    # CUDA packages have the version in their names: libcurand-dev-12-6.
    cuda_suffix = "-".join((cuda or CUDA.get(jetpack or 0, "12.6")).split(".")[:2])
    packages = f"python3-dev g++ libcurand-dev-{cuda_suffix}"
    fix = f"sudo apt install {packages}; PATH=/usr/local/cuda/bin:$PATH pip install pycuda"
    return Finding("pycuda", "fail", problem, f"{fix}; or the image: docker/run")


def opencv(version: str | None, build_information: str, on_jetson: bool) -> Finding:
    """build_information: from ``cv2.getBuildInformation()``, with a line ``GStreamer: YES (1.20.3)``."""
    if version is None:
        fix = f"sudo apt install python3-opencv; {SYSTEM_PACKAGES}" if on_jetson else "pip install 'skd-edge[edge]'"
        return Finding("OpenCV", "fail", "Python cannot import it", fix)
    if gstreamer := GSTREAMER.search(build_information):
        return Finding("OpenCV", "ok", f"{version}, GStreamer {gstreamer[1] or 'yes'}")
    if not on_jetson:
        return Finding("OpenCV", "ok", f"{version}, without GStreamer, which only csi:// needs")
    text = f"{version}, without GStreamer: no CSI cameras, no hardware decoders"
    return Finding("OpenCV", "warn", text, NO_GSTREAMER[1])


def onnx_runtime(version: str | None, abort: str | None) -> Finding:
    """abort: why importing it would abort the process."""
    if abort is not None:
        fix = "sudo nvpmodel -m with the number below turns them on; or Python 3.11 with ONNX Runtime 1.27 or newer"
        return Finding("ONNX Runtime", "fail", abort, fix)
    return runtime("ONNX Runtime", version, needed_for="networks on the CPU")


def runtime(name: str, version: str | None, *, needed_for: str) -> Finding:
    if version is not None:
        return Finding(name, "ok", version)
    return Finding(name, "warn", f"not installed: no {needed_for}", "pip install 'skd-edge[edge]'")
