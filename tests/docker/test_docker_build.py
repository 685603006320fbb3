"""docker/run builds the image once, from NVIDIA's package sources, and runs it."""

import pytest
from flashed_board import R35, ROOT, errors, flashed, run, said_to_docker

board = flashed


@pytest.fixture
def own(board):
    """docker/run in its own tree, because it writes results and package sources beside itself."""
    for name in ("docker/run", "bundles/everyday/bundle.yaml"):
        (board / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (board / "tree" / name).write_bytes((ROOT / name).read_bytes())
    (board / "tree/docker/run").chmod(0o755)
    return board / "tree/docker/run"


def test_the_image_is_built_once_and_then_run(board, own):
    for _ in range(2):
        assert run(board, "edge", "doctor", script=own)[0].returncode == 0
    does = [words[0] for words in said_to_docker(board) if words[:2] == ["buildx", "build"] or words[0] == "run"]
    assert does == ["buildx", "run", "run"]
    assert said_to_docker(board)[-1][-3:] == ["skd-edge:jetpack6", "edge", "doctor"]


def test_a_failed_build_starts_nothing(board, own):
    (board / "root/etc/nv_tegra_release").write_text(R35)
    docker = board / "bin/docker"
    docker.write_text(docker.read_text().replace('"buildx build") touch "$0.image" ;;', '"buildx build") exit 1 ;;'))
    for asked, more in (([], ""), (["--engines"], "; without --engines everything runs on the CPU")):
        done, _ = run(board, *asked, script=own)
        said = f"error: the image cannot be built, as said above; run it again{more}"
        assert done.returncode == 2 and errors(done) == [said]
    assert not any(words[0] == "run" for words in said_to_docker(board))


def test_the_build_context_has_only_nvidias_package_sources(board, own):
    # Systems that were not flashed with NVIDIA's tools use another file name.
    lists = board / "root/etc/apt/sources.list.d"
    (lists / "nvidia-l4t-apt-source.list").rename(lists / "archive_uri-https_repo_download_nvidia_com.list")
    (board / "root/etc/apt/trusted.gpg.d/docker.asc").touch()
    run(board, script=own)
    apt = board / "tree/runs/apt"
    assert [path.name for path in sorted(apt.glob("*/*"))] == [
        "archive_uri-https_repo_download_nvidia_com.list",
        "jetson-ota-public.asc",
    ]


def test_a_second_instance_is_refused(board, own):
    (board / "bin/docker.running").touch()
    done, _ = run(board, script=own)
    assert done.returncode == 2 and errors(done) == ["error: skd-edge is running already; docker stop skd-edge"]
