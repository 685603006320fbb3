"""The doctor on whole machines, and its table, JSON and exit code."""

import json

import boards
import cv2
import pytest
from boards import Board

import edge.doctor.command
from edge.__main__ import COMMANDS
from edge.cli.command_line import run_command_line
from edge.cli.console import print_data
from edge.doctor.checks import run_checks
from edge.doctor.command import as_json, as_text
from edge.doctor.finding import Finding
from edge.host import ThisHost

LAPTOP = {"/proc/meminfo": boards.MEMINFO.replace("7803252", "32803252"), "/proc/swaps": boards.SWAPS}
PLUGIN = {"/usr/lib/aarch64-linux-gnu/gstreamer-1.0/libgstnvarguscamerasrc.so": ""}


def by_check(host, bundle):
    return {finding.check: finding for finding in run_checks(host, bundle)}


def test_findings_about_an_orin_out_of_the_box(bundle_folder):
    zone, gpu = "/sys/class/thermal/thermal_zone0", "/sys/class/devfreq/17000000.gpu"
    policy = "/sys/devices/system/cpu/cpufreq/policy0"
    files = {
        "/proc/meminfo": boards.MEMINFO,
        "/proc/swaps": boards.ZRAM,
        "/dev/video0": "",
        "/dev/nvmap": "",
        f"{zone}/type": "cpu-thermal",
        f"{zone}/temp": "94500",
        f"{zone}/trip_point_0_type": "active",
        f"{zone}/trip_point_0_temp": "51000",
        f"{zone}/trip_point_1_type": "passive",
        f"{zone}/trip_point_1_temp": "99000",
        f"{gpu}/min_freq": "306000000",
        f"{gpu}/max_freq": "1020000000",
        f"{policy}/scaling_min_freq": "729600",
        f"{policy}/scaling_max_freq": "1728000",
        "/usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.11"}}',
    }
    host = Board(boards.ORIN, files, v4l2_ctl=boards.USB_CAMERA, systemctl="active\n", refused=["/dev/video0"])
    found = by_check(host, bundle_folder)
    assert found["board"].found == "NVIDIA Jetson Orin Nano Developer Kit (tegra234, Orin)"
    assert found["JetPack"] == Finding("JetPack", "ok", "JetPack 6.2, L4T 36.4.3")
    assert found["CUDA"].found == "12.6.11"
    assert found["power mode"].fix == "sudo nvpmodel -m 2" and "25W" in found["power mode"].found
    assert found["clocks"].fix == "sudo jetson_clocks" and "GPU 1020 MHz" in found["clocks"].found
    assert found["temperature"].status == "warn" and "94 °C of 99" in found["temperature"].found
    assert found["swap"].status == "warn" and "mkswap" in found["swap"].fix
    assert found["/dev/video0"].found == "MJPG 1920x1080 at 30 fps, YUYV 640x480 at 30 fps"
    assert found["permissions"].status == "fail" and found["permissions"].fix.startswith("sudo usermod -aG video $USER")
    # This machine's Python has no TensorRT, which a Jetson with JetPack 6 must have.
    assert found["TensorRT"].status == "fail" and "python3-libnvinfer" in found["TensorRT"].fix
    assert found["student"].fix == f"python -m calibrate engine --bundle {bundle_folder}"


def test_in_a_container_the_board_is_read_from_the_mounted_device_tree(bundle_folder):
    xavier = {path.replace("/proc/", "/"): text for path, text in boards.XAVIER.items()}
    found = by_check(Board(xavier, LAPTOP), bundle_folder)
    assert "Xavier" in found["board"].found
    # Not "flash JetPack 6 or later", which no Xavier has.
    assert found["JetPack"].status == "warn" and "the last for Xavier" in found["JetPack"].found


def test_on_a_thor_the_gpus_clock_is_not_the_video_decoders(bundle_folder):
    names = {"gpu-gpc-0": "1575000000", "gpu-nvd-0": "1692000000"}
    files = {f"/sys/class/devfreq/{name}/{end}_freq": hz for name, hz in names.items() for end in ("min", "max")}
    cpu = {f"/sys/devices/system/cpu/cpufreq/policy0/scaling_{end}_freq": "2601000" for end in ("min", "max")}  # kHz
    found = by_check(Board(boards.THOR, LAPTOP, files, cpu), bundle_folder)["clocks"].found
    assert found == "locked at CPU 0 2601 MHz, GPU 1575 MHz"


def test_a_running_fan_is_not_throttling(bundle_folder):
    fan, cpu = (f"/sys/class/thermal/cooling_device{n}" for n in range(2))
    zone = {"/sys/class/thermal/thermal_zone0/temp": "50000"}
    kinds = {f"{fan}/type": "pwm-fan", f"{cpu}/type": "cpu-throttle-alert", f"{fan}/cur_state": "3"}
    for steps, status in (("0", "ok"), ("1", "warn")):
        host = Board(boards.ORIN, LAPTOP, zone, kinds, {f"{cpu}/cur_state": steps})
        assert by_check(host, bundle_folder)["temperature"].status == status


def test_the_package_to_install_matches_the_installed_cuda(bundle_folder):
    files = {"/usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "13.2.51"}}'}
    assert "libcurand-dev-13-2;" in by_check(Board(boards.THOR, LAPTOP, files), bundle_folder)["pycuda"].fix


def test_csi_sensors_are_numbered_in_device_order(bundle_folder, monkeypatch):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "GStreamer: YES (1.22.0)")
    devices = {f"/dev/video{n}": "" for n in range(11)}
    seen = {"/dev/video9": boards.CSI_CAMERA, "/dev/video10": boards.CSI_CAMERA}
    host = Board(boards.ORIN, LAPTOP, devices, PLUGIN, v4l2_ctl=lambda flag, device, more: seen.get(device, ""))
    found = by_check(host, bundle_folder)
    assert [found[device].found[-7:] for device in seen] == ["csi://0", "csi://1"]
    assert found["Argus"].status == "fail"


def test_a_csi_camera_is_not_suggested_if_opencv_cannot_read_it(bundle_folder, monkeypatch):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "GStreamer: NO")
    host = Board(boards.ORIN, LAPTOP, PLUGIN, {"/dev/video0": ""}, v4l2_ctl=boards.CSI_CAMERA, systemctl="active\n")
    camera = by_check(host, bundle_folder)["/dev/video0"]
    assert camera.status == "warn" and camera.found.endswith("21 fps: csi:// needs an OpenCV with GStreamer")
    assert "sudo apt install python3-opencv" in camera.fix


@pytest.mark.parametrize(("inside", "status"), [(True, "ok"), (False, "fail")])
def test_in_a_container_the_socket_alone_shows_that_argus_runs(bundle_folder, inside, status):
    files = {"/dev/video0": "", "/tmp/argus_socket": "", **({"/.dockerenv": ""} if inside else {})}
    says = "System has not been booted with systemd as init system (PID 1). Can't operate.\n"
    host = Board(boards.ORIN, LAPTOP, files, PLUGIN, v4l2_ctl=boards.CSI_CAMERA, systemctl=says)
    assert by_check(host, bundle_folder)["Argus"].status == status


def test_a_container_without_the_nvidia_runtime_does_not_suggest_its_csi_camera(bundle_folder):
    found = by_check(Board(boards.XAVIER, LAPTOP, {"/dev/video0": ""}, v4l2_ctl=boards.CSI_CAMERA), bundle_folder)
    assert "csi://" not in found["/dev/video0"].found and found["/dev/video0"].status == "warn"
    assert "docker/run --engines" in found["/dev/video0"].fix and found["Argus"].status == "n/a"


def test_a_board_without_a_release_file_is_recognised_by_its_device_tree(bundle_folder):
    host = Board({key: text for key, text in boards.THOR.items() if key != "/etc/nv_tegra_release"}, LAPTOP)
    found = by_check(host, bundle_folder)
    assert found["JetPack"].status == "warn" and "-v /etc/nv_tegra_release" in found["JetPack"].fix
    assert found["power mode"] == Finding("power mode", "ok", "MAXN")


def test_a_board_without_a_release_file_is_recognised_by_its_package(bundle_folder):
    files = {key: text for key, text in boards.THOR.items() if key != "/etc/nv_tegra_release"}
    found = by_check(Board(files, LAPTOP, dpkg_query="38.4.0-20251230160601"), bundle_folder)
    assert found["JetPack"] == Finding("JetPack", "ok", "JetPack 7.1, L4T 38.4.0")


def test_nothing_fails_on_a_laptop(bundle_folder):
    found = by_check(Board(LAPTOP), bundle_folder)
    assert {found[name].status for name in ("board", "JetPack", "CUDA", "TensorRT", "pycuda", "power mode")} == {"n/a"}
    assert found["Python"].status == found["OpenCV"].status == found["bundle"].status == "ok"
    assert all(finding.status != "fail" for finding in found.values()) and "student" not in found, "it needs no engines"


def test_every_warning_and_failure_has_a_fix(bundle_folder, tmp_path):
    for parts in boards.MAXWELL_TO_BLACKWELL.values():
        host = Board(parts, {"/proc/meminfo": boards.MEMINFO, "/proc/swaps": boards.SWAPS, "/dev/video0": ""})
        found = [*run_checks(host, bundle_folder), *run_checks(host, tmp_path)]
        assert all(finding.fix for finding in found if finding.status in ("warn", "fail"))
        assert all("\n" not in f"{finding.found}{finding.fix}" for finding in found)


def command(*arguments):
    run_command_line("edge", "", COMMANDS, ["doctor", *map(str, arguments)])


def test_a_warning_leaves_the_exit_code_at_0(tmp_path, monkeypatch, capsys):
    full = {"/proc/meminfo": LAPTOP["/proc/meminfo"].replace("5976884", "100000")}
    monkeypatch.setattr(edge.doctor.command, "ThisHost", lambda: Board(LAPTOP, full))
    monkeypatch.chdir(tmp_path)
    command("--json")
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] and "warn" in {finding["status"] for finding in found["findings"]}


def test_without_a_bundle_in_this_folder_nothing_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command("--json")
    findings = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["bundle"]["status"] == "n/a" and "no bundles/everyday in this folder" in findings["bundle"]["found"]
    assert "--bundle" in findings["bundle"]["found"] and findings["OpenCV"]["status"] == "ok"


@pytest.mark.parametrize("arguments", [["--bundle", "bundles/everyday"], []])
def test_a_missing_or_broken_bundle_is_a_failure(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if not arguments:
        (tmp_path / "bundles" / "everyday").mkdir(parents=True)
    with pytest.raises(SystemExit) as left:
        command(*arguments)
    said = capsys.readouterr()
    assert left.value.code == 1 and "bundle.yaml is missing" in " ".join(said.out.split()) and said.err == ""


def test_without_failures_the_exit_code_is_0(bundle_folder, capsys):
    command("--bundle", bundle_folder, "--json", "true")
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is True
    assert report["findings"][0].keys() == {"check", "status", "found", "fix"}


def test_json_passes_with_warnings_but_not_with_failures():
    warned = [Finding("a", "ok", "x"), Finding("b", "warn", "y", "z")]
    assert json.loads(as_json(warned))["passed"] is True
    assert json.loads(as_json([*warned, Finding("c", "fail", "y", "z")]))["passed"] is False


def test_a_fix_is_printed_on_one_line_to_be_copied(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    fix = "sudo fallocate -l 4G /swap && sudo chmod 600 /swap && sudo mkswap /swap && sudo swapon /swap"
    print_data(as_text([Finding("swap", "warn", "none", fix), Finding("disk", "ok", "[b]60 GiB free")]))
    assert capsys.readouterr().out.splitlines() == [
        "warn  swap  none",
        f"            -> {fix}",
        "ok    disk  [b]60 GiB free",
        "1 ok, 1 warn",
    ]


@pytest.mark.parametrize("number", ["²", "9" * 5000, "partition", ""])
def test_numbers_that_are_none_end_no_check(bundle_folder, number):
    zone, policy = "/sys/class/thermal/thermal_zone0", "/sys/devices/system/cpu/cpufreq/policy0"
    files = {
        "/proc/meminfo": f"MemTotal: {number} kB\n",
        "/proc/swaps": f"{boards.SWAPS}/swap file {number} 0 -2\n",
        f"{zone}/temp": number,
        f"{policy}/scaling_min_freq": number,
        f"{policy}/scaling_max_freq": number,
        "/sys/class/thermal/cooling_device0/type": "cpu-throttle-alert",
        "/sys/class/thermal/cooling_device0/cur_state": number,
        "/etc/nv_tegra_release": f"# R{number} (release), REVISION: {number}",
        "/var/lib/nvpmodel/status": f"pmode:{number}",
        "/etc/nvpmodel.conf": f"< POWER_MODEL ID={number} NAME=MAXN >",
    }
    listing = f"[0]: 'MJPG'\nSize: Discrete {number}x{number}\n({number} fps)\n"
    found = by_check(Board(files, {"/dev/video0": ""}, v4l2_ctl=listing), bundle_folder)
    assert found["JetPack"].found == "/etc/nv_tegra_release has an unknown format"
    assert found["memory"].found == "0.0 of 0.0 GiB free" and found["temperature"].found == "no sensor"


def test_this_host_reads_lists_and_runs(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"NVIDIA Jetson\0")
    host = ThisHost()
    assert host.read(str(tmp_path / "a")) == "NVIDIA Jetson" and host.read(str(tmp_path / "b")) is None
    assert host.names(f"{tmp_path}/*") == [str(tmp_path / "a")]
    assert host.usable(str(tmp_path / "a")) and not host.usable(str(tmp_path / "b"))
    # As L4T's /dev/nvmap, it cannot be written, not even by root.
    assert host.usable("/sys/class/net/lo/address")
    # Output counts even if the program fails; a missing program or a timeout has none.
    assert host.run("sh", "-c", "echo inactive; exit 3") == "inactive\n"
    assert host.run("no-such-program") is None
    assert host.run("printf", r"\377") == "\ufffd"
    monkeypatch.setattr(edge.host, "TIMEOUT_S", 0.05)
    assert host.run("sleep", "5") is None
