"""What docker/run says of a board, a Docker or options with which it cannot start."""

import shutil

import pytest
from flashed_board import DLA_COMPILER, KEY, LIST, R35, R36, R38, errors, flashed, run, said_to_docker

# Not the fixture of the same name in other tests, which has a TensorRT.
board = flashed


@pytest.mark.parametrize(
    ("release", "words"),
    [
        ("# R32 (release), REVISION: 7.1, GCID: 1", "flash JetPack 6"),
        ("# R41 (release), REVISION: 1.0, GCID: 1", "newer than this release"),
        ("nothing of the kind", "not understood"),
    ],
)
def test_unsupported_releases_are_refused_with_a_hint(board, release, words):
    (board / "root/etc/nv_tegra_release").write_text(release + "\n")
    done, commands = run(board, "--dry-run")
    assert done.returncode == 2 and words in done.stderr and not commands


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--l4t"], "--l4t needs a version; say 38.4.0"),
        (["--dry-run", "--bundle-folder"], "--bundle-folder needs a folder; see docker/run --help"),
        (["--engine"], "unknown option --engine; see docker/run --help"),
    ],
)
def test_mistyped_options_are_refused_in_one_line(board, arguments, says):
    done, commands = run(board, *arguments)
    assert done.returncode == 2 and done.stderr == f"error: {says}\n" and not commands


def test_all_missing_requirements_are_reported_at_once_with_their_fix(board):
    for name in (LIST, KEY, DLA_COMPILER):
        (board / "root" / name).unlink()
    for lack in ("plain", "unbuildable"):
        (board / f"bin/docker.{lack}").touch()
    done, commands = run(board, "--bundle-folder", board / "nowhere")
    runtime, builder, compiler, sources, key, bundle = errors(done)
    assert done.returncode == 2 and not commands
    assert "nvidia-ctk runtime configure" in runtime and "apt install docker-buildx" in builder
    assert "sudo apt install nvidia-l4t-dla-compiler" in compiler
    assert "nvidia-l4t-apt-source" in sources and "jetson-ota-public.asc" in key and "train export" in bundle
    assert not any(words[0] == "run" or words[:2] == ["buildx", "build"] for words in said_to_docker(board))


@pytest.mark.parametrize(
    ("lack", "mend"), [("locked", "usermod -aG docker"), ("asleep", "systemctl enable --now docker")]
)
def test_a_docker_without_permission_is_distinguished_from_a_stopped_one(board, lack, mend):
    (board / f"bin/docker.{lack}").touch()
    done, _ = run(board)
    (error,) = errors(done)
    assert done.returncode == 2 and mend in error


def test_a_board_without_docker_is_told_to_install_it(board):
    """PATH has the commands that the script calls, but not docker."""
    (board / "bin/docker").unlink()
    for program in ("sh", "cat", "dirname", "grep", "head", "id", "sed"):
        (board / "bin" / program).symlink_to(shutil.which(program))
    done, _ = run(board, PATH=str(board / "bin"))
    (error,) = errors(done)
    assert done.returncode == 2 and "sudo apt install docker.io docker-buildx" in error


def test_podman_under_dockers_name_is_refused(board):
    (board / "bin/docker").write_text('#!/bin/sh\ntest "$1" = --version && echo podman version 4.3.1\n')
    (error,) = errors(run(board)[0])
    assert "docker is podman" in error and "sudo apt install docker.io docker-buildx" in error


def test_a_full_disk_is_reported_before_the_build(board):
    (board / "bin/df").write_text("#!/bin/sh\necho Filesystem\necho /dev/mmcblk0p1 59000000 58000000 900000 99% /\n")
    done, _ = run(board, "--dry-run")
    assert done.returncode == 2 and "docker system prune" in done.stderr
    (board / "bin/docker.image").touch()
    assert run(board, "--dry-run")[0].returncode == 0


@pytest.mark.parametrize(("release", "needed"), [(R36, True), (R35, False), (R38, False)])
def test_only_jetpack_6s_tensorrt_needs_the_boards_compiler_for_the_dla(board, release, needed):
    (board / "root" / DLA_COMPILER).unlink()
    (board / "root/etc/nv_tegra_release").write_text(release)
    assert run(board, "--dry-run", *(["--engines"] if release is R35 else []))[0].returncode == (2 if needed else 0)


def test_a_laptop_is_sent_to_make_demo(board):
    (board / "root/etc/nv_tegra_release").unlink()
    done, _ = run(board)
    assert done.returncode == 2 and "make demo" in done.stderr
