"""A fake flashed Orin for docker/run: the files that it reads, a docker that logs its arguments, and a disk."""

import os
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
R35 = "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64"
R36 = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64"
R38 = "# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic, EABI: aarch64"
LIST = "etc/apt/sources.list.d/nvidia-l4t-apt-source.list"
KEY = "etc/apt/trusted.gpg.d/jetson-ota-public.asc"
DLA_COMPILER = "usr/lib/aarch64-linux-gnu/nvidia/libnvdla_compiler.so"

# Logs its arguments, has an image once it was built, and fails as marker files beside it say.
DOCKER = """#!/bin/sh
has() { test -e "$0.$1"; }
echo "$*" >>"$0.said"
case "$1 $2" in
  "info --format")
    if has locked; then echo "permission denied while trying to connect to the docker API" >&2; exit 1; fi
    if has asleep; then echo "Cannot connect to the Docker daemon. Is the docker daemon running?" >&2; exit 1; fi
    case $3 in *DockerRootDir*) echo / ;; *) has plain && echo "runc " || echo "nvidia runc " ;; esac ;;
  "buildx version") has unbuildable && exit 1; exit 0 ;;
  "buildx build") touch "$0.image" ;;
  "image inspect") has image ;;
  "container inspect") has running ;;
esac
"""


# Blocks of 1024 bytes, as df -Pk prints: 26 GB are free, whatever this machine's own disk has.
DF = """#!/bin/sh
echo Filesystem 1024-blocks Used Available Capacity Mounted on
echo /dev/mmcblk0p1 59000000 33000000 26000000 56% /
"""


@pytest.fixture
def flashed(tmp_path):
    """A board with one USB camera: folder root has its files, bin a fake docker and df."""
    files = {
        "root/etc/nv_tegra_release": R36,
        "root/etc/nvpmodel.conf": "",
        "root/var/lib/nvpmodel/status": "pmode:0002",
        "root/etc/group": "root:x:0:\nvideo:x:44:ubuntu\nrender:x:104:ubuntu\n",
        "root/dev/video0": "",
        "root/sys/firmware/devicetree/base/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        f"root/{DLA_COMPILER}": "a library",
        "root/tmp/argus_socket": "",
        f"root/{LIST}": "deb https://repo.download.nvidia.com/jetson/common r36.4 main\n",
        f"root/{KEY}": "a key",
        "root/etc/apt/sources.list.d/docker.list": "deb https://download.docker.com/linux/ubuntu jammy stable\n",
        "bin/docker": DOCKER,
        "bin/df": DF,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for program in ("docker", "df"):
        (tmp_path / "bin" / program).chmod(0o755)
    return tmp_path


def run(board, *arguments, script=ROOT / "docker/run", folder=None, **environment):
    """Run the script; return the finished process, and the words of each command of a dry run."""
    known = {"PATH": f"{board / 'bin'}:/usr/bin:/bin", "SKD_ROOT": str(board / "root"), **environment}
    done = subprocess.run(
        [str(script), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={key: value for key, value in os.environ.items() if key not in ("DISPLAY", "PATH")} | known,
    )
    return done, [shlex.split(line) for line in done.stdout.splitlines()]


def said_to_docker(board):
    return [line.split() for line in (board / "bin/docker.said").read_text().splitlines()]


def errors(done):
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def pairs(words, flag):
    return [value for name, value in pairwise(words) if name == flag]
