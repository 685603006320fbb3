"""docker/run on fake board roots: the image and the mounts."""

import shutil

import pytest
import yaml
from flashed_board import R35, R36, R38, ROOT, errors, flashed, pairs, run

# Not the fixture of the same name in other tests, which has a TensorRT.
board = flashed
# In dpkg's format.
PACKAGES = """Package: nvidia-l4t-camera
Status: install ok installed
Version: 1.2.3-20250101

Package: nvidia-l4t-core
Status: install ok installed
Architecture: arm64
Version: 38.4.0-20251230160601
Description: NVIDIA Core Package

Package: zsh
Version: 5.9
"""


def test_an_orin_gets_image_runtime_and_camera(board):
    done, (build, start) = run(board, "--dry-run")
    assert done.returncode == 0
    assert build[:2] == ["docker", "buildx"] and pairs(build, "--file") == [f"{ROOT}/docker/Dockerfile.jetpack6"]
    assert pairs(build, "--build-context") == [f"apt={ROOT}/runs/apt"]
    assert pairs(build, "--build-arg") == ["CUDA=12-6"]
    # JetPack 6's kernel lacks what Docker 28 needs for a network of the container's own.
    assert pairs(build, "--network") == pairs(start, "--network") == ["host"]
    assert pairs(start, "--runtime") == ["nvidia"] and pairs(start, "--device") == ["/dev/video0"]
    assert pairs(start, "--group-add") == ["44", "104"]
    assert f"{ROOT}/bundles/everyday:/mnt/bundle:ro" in pairs(start, "--volume")
    assert "/tmp/argus_socket:/tmp/argus_socket" in pairs(start, "--volume")
    assert "skd-edge-engines:/home/skd/engines" in pairs(start, "--volume")
    assert "/var/lib/nvpmodel/status:/var/lib/nvpmodel/status:ro" in pairs(start, "--volume")
    assert "/sys/firmware/devicetree/base:/device-tree:ro" in pairs(start, "--volume")
    assert "SKD_PAGE_PORT=8080" in pairs(start, "--env")
    command = ["edge", "run", "--source", "/dev/video0", "--bundle", "bundle", "--sinks.page", "8080"]
    assert start[start.index("skd-edge:jetpack6") + 1 :] == command


def turn_off_cores(board, online):
    cores = board / "root/sys/devices/system/cpu"
    cores.mkdir(parents=True)
    (cores / "present").write_text("0-5\n")
    (cores / "online").write_text(f"{online}\n")


def test_the_service_of_compose_gets_the_same(board):
    """On a board with cores off, and except for a screen."""
    turn_off_cores(board, "0-3")
    _, (_, start) = run(board, "--dry-run")
    (service,) = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"].values()
    mounted = [volume["target"] if isinstance(volume, dict) else volume.split(":")[1] for volume in service["volumes"]]
    assert sorted(mounted) == sorted(volume.split(":")[1] for volume in pairs(start, "--volume"))
    assert service["cap_drop"] == pairs(start, "--cap-drop") == ["ALL"]
    assert service["security_opt"] == pairs(start, "--security-opt") == ["no-new-privileges"]
    assert [service["network_mode"]] == pairs(start, "--network")
    assert service["init"] and "--init" in start


@pytest.mark.parametrize(
    ("release", "online", "hidden"), [(R36, "0-3", True), (R36, "0-5", False), (R38, "0-3", False)]
)
def test_cores_that_are_off_are_hidden_from_jetpack_6s_onnx_runtime(board, release, online, hidden):
    (board / "root/etc/nv_tegra_release").write_text(release + "\n")
    turn_off_cores(board, online)
    _, (_, start) = run(board, "--dry-run")
    mounted = [volume for volume in pairs(start, "--volume") if volume.startswith("/sys/devices")]
    listed = "/sys/devices/system/cpu"
    expected = [f"{listed}/online:{listed}/{name}:ro" for name in ("present", "possible")]
    assert mounted == (expected if hidden else [])


@pytest.mark.parametrize(
    ("release", "line", "arguments"),
    [
        (R36.replace("4.3", "3.0"), 6, ["CUDA=12-2"]),
        (R38, 7, ["CUDA=13-0"]),
        (R38.replace("R38", "R39"), 7, ["CUDA=13-2"]),
        (R35, 5, []),
    ],
)
def test_the_release_file_selects_the_jetpack_image(board, release, line, arguments):
    (board / "root/etc/nv_tegra_release").write_text(release + "\n")
    _, (build, start) = run(board, "--dry-run")
    assert pairs(build, "--file") == [f"{ROOT}/docker/Dockerfile.jetpack{line}"]
    assert pairs(build, "--build-arg") == arguments and f"skd-edge:jetpack{line}" in start
    assert (ROOT / f"docker/Dockerfile.jetpack{line}").is_file()


def test_jetpack_5_runs_on_the_cpu_without_the_nvidia_runtime_and_says_so(board):
    (board / "root/etc/nv_tegra_release").write_text(R35)
    (board / "bin/docker.plain").touch()
    done, (build, start) = run(board, "--dry-run")
    assert done.returncode == 0 and "on the CPU" in done.stderr and "--runtime" not in start
    assert pairs(build, "--target") == ["cpu"] and not pairs(build, "--build-context")


def test_jetpack_5_builds_the_engines_target_if_asked(board):
    (board / "root/etc/nv_tegra_release").write_text(R35)
    done, (build, start) = run(board, "--dry-run", "--engines")
    assert done.returncode == 0 and "on the CPU" not in done.stderr
    assert pairs(build, "--target") == ["engines"] and pairs(build, "--build-arg") == ["CUDA=11-4"]
    assert pairs(build, "--build-context") == [f"apt={ROOT}/runs/apt"]
    assert pairs(start, "--runtime") == ["nvidia"] and "skd-edge:jetpack5-engines" in start
    (board / "bin/docker.plain").touch()
    assert "nvidia-ctk" in run(board, "--dry-run", "--engines")[0].stderr


def test_jetpack_5_0_has_another_tensorrt_and_stays_on_the_cpu(board):
    (board / "root/etc/nv_tegra_release").write_text(R35.replace("4.1", "1.0"))
    assert run(board, "--dry-run")[0].returncode == 0
    done, commands = run(board, "--dry-run", "--engines")
    assert done.returncode == 2 and not commands
    (error,) = errors(done)
    assert "TensorRT 8.4" in error and "flash JetPack 5.1" in error


def test_a_board_without_the_release_file_is_detected_by_its_package(board):
    (board / "root/etc/nv_tegra_release").unlink()
    (board / "root/var/lib/dpkg").mkdir(parents=True)
    (board / "root/var/lib/dpkg/status").write_text(PACKAGES)
    done, (build, start) = run(board, "--dry-run")
    assert done.returncode == 0 and "skd-edge:jetpack7" in start and "CUDA=13-0" in pairs(build, "--build-arg")
    assert not any("nv_tegra_release" in volume for volume in pairs(start, "--volume"))


def test_an_undetected_board_can_be_given_by_l4t(board):
    (board / "root/etc/nv_tegra_release").unlink()
    (board / "root/proc/device-tree").mkdir(parents=True)
    (board / "root/proc/device-tree/compatible").write_text("nvidia,p3834-0008\0nvidia,tegra264")
    done, commands = run(board, "--dry-run")
    assert done.returncode == 2 and "--l4t VERSION" in done.stderr and not commands
    _, (build, _) = run(board, "--dry-run", "--l4t", "39.2.0")
    assert pairs(build, "--build-arg") == ["CUDA=13-2"]


@pytest.mark.parametrize(
    ("installed", "cuda"),
    [(["12-6"], "12-6"), (["12-8"], "12-8"), (["12-6", "12-8"], "12-6"), ([], "12-6")],
)
def test_an_upgraded_cuda_of_the_board_is_used(board, installed, cuda):
    (board / "root/var/lib/dpkg").mkdir(parents=True)
    (board / "root/var/lib/dpkg/status").write_text(
        "".join(f"Package: cuda-cudart-{version}\nStatus: install ok installed\n\n" for version in installed)
    )
    _, (build, _) = run(board, "--dry-run")
    assert pairs(build, "--build-arg") == [f"CUDA={cuda}"]


def test_arguments_reach_the_container_unchanged(board):
    typed = ["edge", "run", "--source", "rtsp://u:p@host/a?b=1&c='2' $x", "--bundle", "bundle"]
    _, (_, start) = run(board, "--dry-run", *typed)
    assert start[-len(typed) :] == typed


def test_the_folder_of_the_clone_may_have_any_name(board, tmp_path):
    clone = tmp_path / "it's $(a) clone"
    for name in ("docker", "bundles"):
        shutil.copytree(ROOT / name, clone / name)
    _, (build, start) = run(board, "--dry-run", script=clone / "docker/run")
    assert build[-1] == str(clone) and f"apt={clone}/runs/apt" in build
    assert f"{clone}/docker/Dockerfile.jetpack6" in build and f"{clone}/runs:/home/skd/runs" in start
