"""Run all checks on a host, those that others depend on first."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from edge.contract.errors import SkdError
from edge.doctor import board, bundle_files, cameras, permissions, power_mode, resources, software
from edge.doctor.finding import Finding
from edge.host import Host, device_tree
from edge.machine import NVPMODEL_FILES, package_version

RELEASE, CORE_PACKAGE = "/etc/nv_tegra_release", "nvidia-l4t-core"
CUDA, CUDA_RUNTIME = "/usr/local/cuda/version.json", "/usr/local/cuda*/targets/*/lib/libcudart.so.*"
ARGUS_PLUGIN = "/usr/lib/aarch64-linux-gnu/gstreamer-1.0/libgstnvarguscamerasrc.so"
"""A container has it from the NVIDIA runtime only."""
CPU_POLICIES = "/sys/devices/system/cpu/cpufreq/policy*"
GPU_NAMES = "gm20b", "gp10b", "gv11b", "ga10b", ".gpu", "gpu-gpc"
"""Parts of the GPU's name in /sys/class/devfreq, from Nano to Thor, whose gpu-nvd-0 is the video decoder."""


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
    plugin = bool(host.names(ARGUS_PLUGIN))
    camera_findings = cameras.cameras(listings, plugin)
    # In a container the daemon is the host's, and a systemctl there only says that systemd does not run.
    daemon = None if in_container else host.run("systemctl", "is-active", "nvargus-daemon")
    cv2, tensorrt = _import("cv2"), _version_of_module("tensorrt")
    gpu, gpu_problem = _gpu()
    runtime = bundle_files.Runtime(tensorrt, *gpu) if tensorrt and gpu else None
    sensors = plugin and any(finding.found.startswith(cameras.SENSOR) for finding in camera_findings)
    return [
        board.board(model, compatible),
        board.jetpack(release, compatible, package),
        software.python(sys.version_info[:2]),
        board.cuda(*cuda, on_jetson),
        software.tensorrt(tensorrt, jetpack, on_jetson, package_version("tensorrt") is not None),
        software.pycuda(gpu_problem, package_version("pycuda"), jetpack, on_jetson, board.cuda_version(*cuda)),
        software.opencv(_version_of_module("cv2"), cv2.getBuildInformation() if cv2 else "", on_jetson),
        software.runtime("ONNX Runtime", package_version("onnxruntime"), needed_for="networks on the CPU"),
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


def clock_limits(host: Host) -> dict[str, tuple[int, int]]:
    """Unit -> current minimum and maximum clock in Hz, of CPU and GPU."""
    limits = {}
    for policy in host.names(CPU_POLICIES):
        if (khz := _range(host, f"{policy}/scaling_min_freq", f"{policy}/scaling_max_freq")) is not None:
            limits[f"CPU {Path(policy).name.removeprefix('policy')}"] = khz[0] * 1000, khz[1] * 1000
    gpus = [name for name in host.names("/sys/class/devfreq/*") if any(gpu in Path(name).name for gpu in GPU_NAMES)]
    for gpu in gpus:
        if (hz := _range(host, f"{gpu}/min_freq", f"{gpu}/max_freq")) is not None:
            limits["GPU"] = hz
    return limits


def _range(host: Host, lowest: str, highest: str) -> tuple[int, int] | None:
    """The numbers in two files; None if one is missing."""
    low, high = (host.read(path) or "" for path in (lowest, highest))
    return (int(low), int(high)) if low.isdigit() and high.isdigit() else None


def zones(host: Host) -> Iterator[resources.ThermalZone]:
    """Temperature sensors that have a reading."""
    for folder in host.names("/sys/class/thermal/thermal_zone*"):
        kinds = host.names(f"{folder}/trip_point_*_type")
        trips = [(host.read(kind) or "", host.read(kind.replace("_type", "_temp")) or "") for kind in kinds]
        name = host.read(f"{folder}/type") or Path(folder).name
        if (zone := resources.zone(name, host.read(f"{folder}/temp"), trips)) is not None:
            yield zone


def throttles(host: Host) -> dict[str, int]:
    """Unit -> throttling steps. Boards from Xavier on have an alert for each unit that can be throttled."""
    found = {}
    for folder in host.names("/sys/class/thermal/cooling_device*"):
        name, steps = host.read(f"{folder}/type") or "", host.read(f"{folder}/cur_state") or ""
        if "throttle-alert" in name and steps.isdigit():
            found[name] = int(steps)
    return found


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _version_of_module(name: str) -> str | None:
    # Ubuntu's and JetPack's packages do not always have Python metadata.
    module = _import(name)
    return None if module is None else str(getattr(module, "__version__", "unknown"))
