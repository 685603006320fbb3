"""Each check of the doctor, with text in the formats of real boards."""

import boards
import pytest

from edge.doctor import board, cameras, permissions, resources, software

B = boards.MAXWELL_TO_BLACKWELL


@pytest.mark.parametrize(
    ("name", "l4t", "jetpack"),
    [("nano", "32.7.1", None), ("xavier", "35.4.1", "5.1.2"), ("orin", "36.4.3", "6.2"), ("thor", "38.2.0", "7.0")],
)
def test_l4t_and_its_jetpack(name, l4t, jetpack):
    found = board.read_l4t(B[name]["/etc/nv_tegra_release"])
    assert str(found) == l4t and (jetpack is None or found.jetpack == jetpack)


@pytest.mark.parametrize(
    ("revision", "jetpack"),
    [
        ("R35 (release), REVISION: 6.5", "5.1.7"),
        ("R36 (release), REVISION: 5.2", "6.2.3"),
        ("R39 (release), REVISION: 2", "7.2"),
        ("R39 (release), REVISION: 2.1", "7.2.1"),
    ],
)
def test_newer_jetpacks(revision, jetpack):
    assert board.read_l4t(f"# {revision}, GCID: 1, BOARD: generic").jetpack == jetpack


def test_an_unlisted_l4t_has_its_major_version_and_a_future_one_is_a_warning():
    between = board.jetpack("# R36 (release), REVISION: 4.9, GCID: 1", "nvidia,tegra234")
    assert between.status == "ok" and between.found.startswith("JetPack 6 ")
    future = board.jetpack("# R41 (release), REVISION: 1.0, GCID: 1", "nvidia,tegra264")
    assert future.status == "warn" and "41.1.0" in future.found


def test_boards_without_newer_jetpacks():
    findings = {
        name: board.jetpack(b["/etc/nv_tegra_release"], b["/proc/device-tree/compatible"]) for name, b in B.items()
    }
    assert {name: finding.status for name, finding in findings.items()} == {
        "nano": "fail",
        "xavier": "warn",
        "orin": "ok",
        "thor": "ok",
    }
    # JetPack 6 supports an Orin but not a Xavier, whose last one is 5.
    stale = board.jetpack(B["xavier"]["/etc/nv_tegra_release"], B["orin"]["/proc/device-tree/compatible"])
    assert stale.status == "fail" and stale.fix == "flash JetPack 6 or later"
    older = board.jetpack(B["nano"]["/etc/nv_tegra_release"], B["xavier"]["/proc/device-tree/compatible"])
    assert older.status == "fail" and older.fix == "flash JetPack 5"
    assert "CPU" in findings["xavier"].found


def test_the_package_replaces_a_missing_release_file():
    thor = B["thor"]["/proc/device-tree/compatible"]
    assert board.jetpack(None, thor, "38.4.0-20251230160601").found == "JetPack 7.1, L4T 38.4.0"
    missing = "dpkg-query: no packages found matching nvidia-l4t-core\n"
    assert board.jetpack(None, thor, missing).status == "warn"
    assert board.jetpack(None, None, missing).status == "n/a"


def test_a_release_file_of_unknown_format_is_a_failure():
    assert board.read_l4t("NVIDIA\n") is None and board.jetpack("NVIDIA\n", None).status == "fail"


def test_another_computer_with_a_device_tree_is_not_a_jetson():
    finding = board.board("Raspberry Pi 5 Model B Rev 1.0", "raspberrypi,5-model-b\0brcm,bcm2712")
    assert finding.status == "n/a"


def test_cuda_is_read_from_the_toolkits_file_or_the_runtimes_name():
    assert board.cuda('{"cuda": {"version": "13.0.48"}}', [], True).found == "13.0.48"
    folders = {"cuda-12.2": "12.2.140", "cuda-12.6": "12.6.68"}
    in_image = [f"/usr/local/{name}/targets/aarch64-linux/lib/libcudart.so.{full}" for name, full in folders.items()]
    assert board.cuda(None, in_image, True).found == "12.6.68, runtime only"
    assert board.cuda(None, [], True).status == "fail" and board.cuda(None, [], False).status == "n/a"
    assert board.cuda("{}", [], True).status == "warn"


def test_formats_and_rates_from_old_and_new_v4l2_ctl():
    mjpeg, yuyv = cameras.formats(boards.USB_CAMERA)
    assert mjpeg.sizes == ((1920, 1080, 30.0), (1920, 1080, 25.0), (1280, 720, 60.0))
    assert (yuyv.name, yuyv.sizes) == ("YUYV", ((640, 480, 30.0),))
    rigid, free = cameras.formats(boards.LOOPBACK)
    assert rigid.sizes == () and free.sizes == ((1920, 1080, 60.0),)
    (unsized,) = cameras.cameras({"/dev/video7": boards.LOOPBACK.split("\t[1]")[0]}, None)
    assert unsized.found == "YU12; it lists no sizes and rates"
    (old,) = cameras.formats(boards.OLD_V4L2_CTL)
    assert (old.name, old.sizes) == ("MJPG", ((1920, 1080, 15.0),))


def test_each_camera_is_one_line_and_sensors_are_numbered_as_by_argus():
    listings = {
        "/dev/video0": boards.USB_CAMERA,
        "/dev/video1": boards.METADATA_NODE,
        "/dev/video2": boards.CSI_CAMERA,
        "/dev/video3": boards.CSI_CAMERA,
        "/dev/video4": None,
    }
    found = {finding.check: finding for finding in cameras.cameras(listings, None)}
    assert list(found) == ["/dev/video0", "/dev/video2", "/dev/video3", "/dev/video4"]
    assert found["/dev/video2"].found == "CSI sensor, RG10 3280x2464 at 21 fps: use csi://0"
    assert found["/dev/video3"].found.endswith("csi://1")
    assert found["/dev/video4"].fix == "sudo apt install v4l-utils"


@pytest.mark.parametrize(
    ("sensors", "socket", "daemon", "status"),
    [
        (False, False, None, "n/a"),
        (True, True, "active", "ok"),
        (True, True, None, "ok"),
        (True, True, "failed", "fail"),
        (True, False, "active", "fail"),
    ],
)
def test_a_csi_sensor_needs_argus(sensors, socket, daemon, status):
    assert cameras.argus(sensors, socket, daemon).status == status


def test_a_small_board_needs_swap_on_a_disk():
    status = {name: resources.memory(boards.MEMINFO, s)[1] for name, s in vars(boards).items() if "SWAP" in name}
    assert status["SWAPFILE"].status == "ok" and status["SWAPFILE"].found == "4.0 GiB on disk"
    assert status["SWAPS"].status == "warn" and resources.memory(boards.MEMINFO, boards.ZRAM)[1].status == "warn"
    large = boards.MEMINFO.replace("7803252", "32803252")
    assert resources.memory(large, boards.SWAPS)[1].status == "ok"
    assert resources.memory(boards.MEMINFO.replace("5976884", "512000"), boards.SWAPFILE)[0].status == "warn"


@pytest.mark.parametrize(("gib", "status"), [(0.2, "fail"), (2.0, "warn"), (20.0, "ok")])
def test_disk(gib, status):
    assert resources.disk("/data", int(gib * 2**30)).status == status


def test_sensors_without_a_reading_are_left_out():
    assert resources.zone("PMIC-Die", "100000", []) is None  # constant, on a Nano
    assert resources.zone("gpu-thermal", None, []) is None  # an Orin whose GPU sleeps
    assert resources.zone("cv0-thermal", "-256000", []) is None
    assert resources.zone("cpu-thermal", "48468", [("active", "40000"), ("passive", "99000")]).throttles_at_c == 99
    trips = [("critical", "105000"), ("passive", "99000"), ("hot", "101000")]
    assert resources.zone("cpu-thermal", "48468", trips).throttles_at_c == 99


def test_heat_warns_when_throttled_or_close_to_it():
    cool = resources.ThermalZone("tj-thermal", 49.2, 99.0)
    assert resources.heat([cool], {"cpu-throttle-alert": 0}).status == "ok"
    assert "cpu-throttle-alert" in resources.heat([cool], {"cpu-throttle-alert": 1}).found
    assert resources.heat([resources.ThermalZone("tj-thermal", 92.0, 99.0)], {}).status == "warn"
    assert resources.heat([resources.ThermalZone("tj-thermal", 90.0, 99.0)], {}).status == "ok"


@pytest.mark.parametrize(
    ("version", "line", "status"),
    [
        ("10.3.0", 6, "ok"),
        ("8.6.2.3", 6, "ok"),
        ("11.4.1", 6, "warn"),
        ("10.13.3.9", 7, "ok"),
        ("10.3.0", 7, "warn"),
        ("11.4.1", 7, "ok"),
        (None, 6, "fail"),
        (None, 5, "n/a"),
        ("8.5.2.2", 5, "ok"),
        ("8.4.1", 5, "warn"),
        ("10.3.0", 5, "warn"),
        (None, 4, "n/a"),
        ("10.3.0", None, "ok"),
    ],
)
def test_tensorrt_must_match_the_jetpack(version, line, status):
    assert software.tensorrt(version, line, True).status == status


@pytest.mark.parametrize("line", [5, 6, None])
def test_an_installed_tensorrt_that_cannot_be_imported_is_a_failure(line):
    found = software.tensorrt(None, line, True, installed=True)
    assert found.status == "fail" and "--runtime nvidia" in found.fix


@pytest.mark.parametrize(
    ("text", "on_jetson", "status", "words"),
    [
        ("    GStreamer:                   YES (1.20.3)\n", True, "ok", "GStreamer 1.20.3"),
        ("    GStreamer:                   NO\n", True, "warn", "no CSI camera"),
        ("    GStreamer:                   NO\n", False, "ok", "only csi:// needs"),
    ],
)
def test_opencv_must_have_gstreamer_on_a_jetson(text, on_jetson, status, words):
    found = software.opencv("4.8.0", text, on_jetson)
    assert found.status == status and words in found.found


@pytest.mark.parametrize(("version", "status"), [((3, 8), "fail"), ((3, 10), "ok"), ((3, 12), "ok"), ((3, 13), "fail")])
def test_python(version, status):
    assert software.python(version).status == status


def test_pycuda_distinguishes_a_missing_driver_from_a_missing_package():
    driver = software.pycuda("no NVIDIA driver on this machine", None, 6, True)
    refused = software.pycuda("no usable NVIDIA GPU: cuInit failed: operation not supported", "2026.1", 6, True)
    package = software.pycuda("running a TensorRT engine needs the package pycuda", None, 6, True)
    broken = software.pycuda("pycuda does not load: /lib/_driver.so: undefined symbol: cuArrayCreate_v2", None, 6, True)
    assert "--runtime nvidia" in driver.fix and "pip install pycuda" in package.fix and broken.fix == package.fix
    assert refused.status == "fail" and "usermod -aG video,render" in refused.fix
    unseen = software.pycuda("no usable NVIDIA GPU: cuInit failed: no CUDA-capable device is detected", "1", 6, True)
    full = software.pycuda("no usable NVIDIA GPU: cuCtxCreate failed: out of memory", "1", 6, True)
    assert "--runtime nvidia" in unseen.fix and full.fix == "close other programs"
    assert "libcurand-dev-12-6" in package.fix
    assert "libcurand-dev-13-0" in software.pycuda("no package", None, 7, True).fix
    # CUDA differs within a JetPack version: 6.0 has 12.2, 7.2 has 13.2.
    assert "libcurand-dev-12-2;" in software.pycuda("no package", None, 6, True, "12.2.140").fix
    assert "libcurand-dev-13-2;" in software.pycuda("no package", None, 7, True, "13.2").fix
    assert software.pycuda(None, "2024.1.2", 6, True).status == "ok"
    # Optional on JetPack 5, unless the image has it.
    assert software.pycuda("no NVIDIA driver", "2024.1.2", 5, True).status == "fail"
    assert software.pycuda("no", None, 5, True).status == software.pycuda("no", None, None, False).status == "n/a"


def test_permissions_are_fixed_by_joining_the_group():
    asked = {"/dev/video0": False, "/dev/dri/renderD128": False, "/dev/nvmap": True}
    assert permissions.permissions(asked, False).fix.startswith("sudo usermod -aG render,video $USER")
    # An image has no group render, and another number for it.
    assert permissions.permissions(asked, True).fix.startswith("docker run --group-add $(getent group render |")
    assert permissions.permissions({"/dev/video0": True}, False).status == "ok"
    assert permissions.permissions({}, False).status == "n/a"
