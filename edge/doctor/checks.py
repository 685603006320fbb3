"""Run all checks on a host, those that others depend on first."""

from __future__ import annotations

import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from edge.contract.errors import SkdError
from edge.doctor import board, bundle_files, cameras, permissions, power_mode, resources, software
from edge.doctor.finding import Finding
from edge.doctor.sensors import clock_limits, throttles, zones
from edge.engines.offline_cores import abort_of_onnx_runtime
from edge.host import Host, device_tree
from edge.machine import NVPMODEL_FILES, onnx_runtime_version, package_version

RELEASE, CORE_PACKAGE = "/etc/nv_tegra_release", "nvidia-l4t-core"
CUDA, CUDA_RUNTIME = "/usr/local/cuda/version.json", "/usr/local/cuda*/targets/*/lib/libcudart.so.*"
ARGUS_PLUGIN = "/usr/lib/aarch64-linux-gnu/gstreamer-1.0/libgstnvarguscamerasrc.so"
"""A container has it from the NVIDIA runtime only."""


def run_checks(host: Host, bundle: Path | None) -> list[Finding]:
    """All findings about a machine. bundle: None for the shipped one, which may be missing."""
    release = host.read(RELEASE)
    package = host.run("dpkg-query", "--show", "--showformat", "${Version}", CORE_PACKAGE) if release is None else None
    l4t = board.read_l4t(release, package)
    jetpack = l4t.jetpack_major if l4t else None
    in_container = bool(host.names("/.dockerenv") or host.names("/run/.containerenv"))
    nvpmodel = host.run("nvpmodel", "-q")
    status, configuration = (host.read(path) for path in NVPMODEL_FILES)
    model, compatible = (device_tree(host, name) for name in ("model", "compatible"))
    cuda = host.read(CUDA), host.names(CUDA_RUNTIME)
    on_jetson = release is not None or l4t is not None or "tegra" in (compatible or "")
    listings = {
        device: host.run("v4l2-ctl", "--device", device, "--list-formats-ext")
        # In numerical order, /dev/video10 after /dev/video9, because CSI sensors are counted.
        for device in sorted(host.names("/dev/video*"), key=lambda name: (len(name), name))
    }
    cv2, tensorrt = _import("cv2"), _version_of_module("tensorrt")
    build = cv2.getBuildInformation() if cv2 else ""
    plugin = bool(host.names(ARGUS_PLUGIN))
    lacking = cameras.NO_PLUGIN if not plugin else None if software.GSTREAMER.search(build) else software.NO_GSTREAMER
    camera_findings = cameras.cameras(listings, lacking)
    # In a container the daemon is the host's, and a systemctl there only says that systemd does not run.
    daemon = None if in_container else host.run("systemctl", "is-active", "nvargus-daemon")
    gpu, gpu_problem = _gpu()
    runtime = (tensorrt, *gpu) if tensorrt and gpu else None
    sensors = plugin and any(finding.found.startswith(cameras.SENSOR) for finding in camera_findings)
    return [
        board.board(model, compatible),
        board.jetpack(release, compatible, package),
        software.python(sys.version_info[:2]),
        board.cuda(*cuda, on_jetson),
        software.tensorrt(tensorrt, jetpack, on_jetson, package_version("tensorrt") is not None),
        software.pycuda(gpu_problem, package_version("pycuda"), jetpack, on_jetson, board.cuda_version(*cuda)),
        software.opencv(_version_of_module("cv2"), build, on_jetson),
        software.onnx_runtime(onnx_runtime_version(), abort_of_onnx_runtime(host)),
        software.runtime("LiteRT", package_version("ai-edge-litert"), needed_for="BlazePose"),
        *camera_findings,
        cameras.argus(sensors, bool(host.names("/tmp/argus_socket")), daemon and daemon.strip()),
        permissions.permissions(
            {name: host.usable(name) for pattern in permissions.DEVICES for name in host.names(pattern)}, in_container
        ),
        power_mode.power_mode(nvpmodel, status, configuration, on_jetson),
        power_mode.clocks(clock_limits(host), on_jetson),
        *resources.memory(host.read("/proc/meminfo") or "", host.read("/proc/swaps") or ""),
        resources.heat(list(zones(host)), throttles(host)),
        resources.disk(str(Path.cwd()), shutil.disk_usage(Path.cwd()).free),
        *bundle_files.bundle_files(bundle, runtime, on_jetson),
    ]


def _gpu() -> tuple[tuple[str, str] | None, str | None]:
    """Name and compute capability of the GPU, or why it cannot be opened."""
    from edge.engines.gpu import Gpu

    try:
        gpu = Gpu()
    except SkdError as error:
        return None, error.what
    return (gpu.name, gpu.compute_capability), None


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _version_of_module(name: str) -> str | None:
    # Ubuntu's and JetPack's packages do not always have Python metadata.
    module = _import(name)
    return None if module is None else str(getattr(module, "__version__", "unknown"))
