"""docker/run over roots of boards that it only reads: which image, what is mounted, what is missing."""

import json
import os
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
R35 = "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64"
R36 = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64"
R38 = "# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic, EABI: aarch64"
APT = "etc/apt/sources.list.d/nvidia-l4t-apt-source.list", "etc/apt/trusted.gpg.d/jetson-ota-public.asc"


@pytest.fixture
def board(tmp_path):
    """A flashed Orin with docker and one USB camera, as far as docker/run looks."""
    files = {
        "root/etc/nv_tegra_release": R36,
        "root/etc/nvpmodel.conf": "",
        "root/etc/docker/daemon.json": json.dumps({"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}),
        "root/etc/group": "root:x:0:\nvideo:x:44:ubuntu\nrender:x:104:ubuntu\n",
        "root/dev/video0": "",
        "root/tmp/argus_socket": "",
        **dict.fromkeys((f"root/{name}" for name in APT), ""),
        "bin/docker": "#!/bin/sh\nexit 9\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "bin/docker").chmod(0o755)
    return tmp_path


def run(board, *arguments, **environment):
    """The finished process, and the words of each command it would run."""
    known = {"PATH": f"{board / 'bin'}:/usr/bin:/bin", "SKD_ROOT": str(board / "root"), **environment}
    done = subprocess.run(
        [str(ROOT / "docker/run"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={key: value for key, value in os.environ.items() if key not in ("DISPLAY", "PATH")} | known,
    )
    return done, [shlex.split(line) for line in done.stdout.splitlines()]


def pairs(words, flag):
    return [value for name, value in pairwise(words) if name == flag]


def test_an_orin_gets_its_image_its_runtime_and_its_camera(board):
    done, (build, start) = run(board, "--dry-run")
    assert done.returncode == 0
    assert build[:2] == ["docker", "buildx"] and pairs(build, "--file") == [f"{ROOT}/docker/Dockerfile.jetpack6"]
    assert pairs(build, "--build-context") == [f"apt={board}/root/etc/apt"]
    assert pairs(build, "--build-arg") == ["CUDA=12-6", "TENSORRT=10"]
    assert pairs(start, "--runtime") == ["nvidia"] and pairs(start, "--device") == ["/dev/video0"]
    assert pairs(start, "--group-add") == ["44", "104"]
    assert f"{ROOT}/bundles/everyday:/mnt/bundle:ro" in pairs(start, "--volume")
    assert "/tmp/argus_socket:/tmp/argus_socket" in pairs(start, "--volume")
    assert "skd-edge-engines:/home/skd/engines" in pairs(start, "--volume")
    image = start.index("skd-edge:jetpack6")
    assert start[image + 1 :] == [
        "edge",
        "run",
        "--source",
        "/dev/video0",
        "--bundle",
        "bundle",
        "--sinks.page",
        "8080",
    ]


@pytest.mark.parametrize(
    ("release", "line", "arguments"),
    [
        (R36.replace("4.3", "3.0"), 6, ["CUDA=12-2", "TENSORRT=8"]),
        (R38, 7, ["CUDA=13-0", "TENSORRT=10"]),
        (R38.replace("R38", "R39"), 7, ["CUDA=13-2", "TENSORRT=10"]),
        (R35, 5, []),
    ],
)
def test_the_line_comes_from_the_release_file(board, release, line, arguments):
    (board / "root/etc/nv_tegra_release").write_text(release + "\n")
    _, (build, start) = run(board, "--dry-run")
    assert pairs(build, "--file") == [f"{ROOT}/docker/Dockerfile.jetpack{line}"]
    assert pairs(build, "--build-arg") == arguments and f"skd-edge:jetpack{line}" in start
    assert (ROOT / f"docker/Dockerfile.jetpack{line}").is_file()


def test_jetpack_5_is_told_that_it_runs_on_the_cpu_and_needs_no_runtime(board):
    (board / "root/etc/nv_tegra_release").write_text(R35)
    (board / "root/etc/docker/daemon.json").unlink()
    done, (_, start) = run(board, "--dry-run")
    assert done.returncode == 0 and "on the CPU" in done.stderr and "--runtime" not in start


@pytest.mark.parametrize(
    ("release", "words"),
    [
        ("# R32 (release), REVISION: 7.1, GCID: 1", "flash JetPack 6"),
        ("# R41 (release), REVISION: 1.0, GCID: 1", "newer than this release"),
        ("nothing of the kind", "not understood"),
    ],
)
def test_other_releases_are_refused_with_the_way_out(board, release, words):
    (board / "root/etc/nv_tegra_release").write_text(release + "\n")
    done, commands = run(board, "--dry-run")
    assert done.returncode == 2 and words in done.stderr and not commands


def test_everything_that_is_missing_is_said_at_once_with_what_brings_it(board):
    for name in ("root/etc/docker/daemon.json", *(f"root/{name}" for name in APT)):
        (board / name).unlink()
    done, commands = run(board, "--dry-run", "--bundle-folder", board / "nowhere")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and not commands and len(errors) == 4
    assert "nvidia-ctk runtime configure" in errors[0] and "train export" in errors[3]


def test_a_laptop_is_sent_to_make_demo(board):
    (board / "root/etc/nv_tegra_release").unlink()
    done, _ = run(board)
    assert done.returncode == 2 and "make demo" in done.stderr


def test_without_a_camera_the_demo_plays_its_clip(board):
    (board / "root/dev/video0").unlink()
    done, (_, start) = run(board, "--dry-run")
    assert start[-4:] == ["edge", "demo", "--bundle", "bundle"] and "no camera" in done.stderr
    assert "--device" not in start


def test_a_screen_is_shared_where_there_is_one(board):
    (board / "root/tmp/.X11-unix").mkdir()
    _, (_, with_screen) = run(board, "--dry-run", DISPLAY=":0")
    _, (_, without) = run(board, "--dry-run")
    assert "DISPLAY=:0" in with_screen and "/tmp/.X11-unix:/tmp/.X11-unix" in with_screen
    assert not any("X11" in word for word in without)


def test_words_arrive_in_the_container_as_they_were_typed(board):
    typed = ["edge", "run", "--source", "rtsp://u:p@host/a?b=1&c='2' $x", "--bundle", "bundle"]
    _, (_, start) = run(board, "--dry-run", *typed)
    assert start[-len(typed) :] == typed


def test_the_image_is_built_once_and_then_run(board):
    """A docker that writes down what it is asked, and knows an image once it was built."""
    said, image = board / "said", board / "image"
    (board / "bin/docker").write_text(
        f'#!/bin/sh\necho "$*" >>{said}\ncase $1 in\nimage) test -f {image} ;;\nbuildx) touch {image} ;;\nesac\n'
    )
    # A tree of its own, for results are put beside the script.
    for name in ("docker/run", "bundles/everyday/bundle.yaml"):
        (board / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (board / "tree" / name).write_bytes((ROOT / name).read_bytes())
    (board / "tree/docker/run").chmod(0o755)
    environment = os.environ | {"PATH": f"{board / 'bin'}:/usr/bin:/bin", "SKD_ROOT": str(board / "root")}
    for _ in range(2):
        subprocess.run([str(board / "tree/docker/run"), "edge", "doctor"], check=True, env=environment, timeout=30)
    assert [line.split()[0] for line in said.read_text().splitlines()] == ["image", "buildx", "run", "image", "run"]
