"""The TensorRT bindings that JetPack 5's image compiles are pinned, and git verifies the pins.

The repositories are those of docker/standin-bindings, at NVIDIA's URLs.
"""

import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker/Dockerfile.jetpack5").read_text()
ARGUMENTS = dict(re.findall(r"^ARG (\w+)=(.+)$", DOCKERFILE, flags=re.MULTILINE))


def step(word):
    """The only RUN with that word, as the shell receives it."""
    runs = re.findall(r"^RUN (.+?[^\\])$", DOCKERFILE, flags=re.MULTILINE | re.DOTALL)
    (found,) = [run for run in runs if word in run]
    return found.replace("\\\n", "")


def test_sources_libraries_and_cuda_belong_to_one_jetpack():
    # github.com/NVIDIA/TensorRT: the commit of its tag 8.5.2.
    assert ARGUMENTS["TENSORRT_COMMIT"] == "ad932f72126f875392a4336d9ee45b2756d934a0"
    assert ARGUMENTS["TENSORRT"] == "8.5.2*" and ARGUMENTS["CUDA"] == "11-4"
    assert set(re.findall(r"^ARG CUDA=(.+)$", DOCKERFILE, flags=re.MULTILINE)) == {"11-4"}
    # Every library has that version, and is linked under the name that the bindings use.
    libraries = re.findall(r'"(libnv\w+[-\w]*8)=\$\{TENSORRT\}"', DOCKERFILE)
    assert sorted(libraries) == ["libnvinfer-plugin8", "libnvinfer8", "libnvonnxparsers8", "libnvparsers8"]


def test_build_tools_are_pinned_by_checksum_and_pycuda_by_version():
    builders = re.findall(r"'(\w+)==[\d.]+ --hash=sha256:[0-9a-f]{64}'", DOCKERFILE)
    assert builders == ["pybind11", "wheel"] and "--require-hashes" in step("pybind11==")
    assert re.fullmatch(r"[\d.]+", ARGUMENTS["PYCUDA"])


def test_python_is_that_of_the_base():
    """Debian 12, bookworm, has Python 3.11."""
    assert ARGUMENTS["BASE"].startswith("debian:bookworm")
    assert "PYTHON_MAJOR_VERSION=3 PYTHON_MINOR_VERSION=11" in step("build.sh")
    assert set(re.findall(r"python(3\.\d+)", step("build.sh"))) == {"3.11"}


@pytest.fixture
def github(tmp_path):
    """An environment in which GitHub is a local folder, and the commit of its sources."""
    commit = subprocess.run(
        [ROOT / "docker/standin-bindings", tmp_path / "github"], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()
    (tmp_path / "gitconfig").write_text(
        f'[url "file://{tmp_path}/github/"]\n\tinsteadOf = https://github.com/\n[protocol "file"]\n\tallow = always\n'
    )
    return os.environ | {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig")}, commit


def fetched(folder, environment, commit):
    folder.mkdir()
    return subprocess.run(
        ["bash", "-c", step("git init")],
        cwd=folder,
        env=environment | {"TENSORRT_COMMIT": commit},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_sources_and_parser_are_fetched_at_their_commits(tmp_path, github):
    environment, commit = github
    done = fetched(tmp_path / "sources", environment, commit)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sources/python/build.sh").is_file()
    assert (tmp_path / "sources/parsers/onnx/NvOnnxParser.h").is_file()
    # The branch's head is not fetched.
    sources = tmp_path / "github/NVIDIA/TensorRT.git"
    (sources / "python/build.sh").write_text("other\n")
    author = ["-c", "user.name=standin", "-c", "user.email=standin@localhost"]
    subprocess.run(["git", "-C", sources, *author, "commit", "--quiet", "-am", "newer"], check=True, timeout=60)
    assert fetched(tmp_path / "again", environment, commit).returncode == 0
    assert (tmp_path / "again/python/build.sh").read_text() != "other\n"


def test_another_commit_than_the_pinned_one_is_not_fetched(tmp_path, github):
    environment, _ = github
    assert fetched(tmp_path / "sources", environment, ARGUMENTS["TENSORRT_COMMIT"]).returncode != 0


@pytest.mark.parametrize(("module", "returned"), [("tensorrt/tensorrt.so", 0), ("tensorrt/other.py", 2)])
def test_a_wheel_without_the_compiled_module_fails_the_build(tmp_path, module, returned):
    """NVIDIA's script ignores compile errors and packs what there is."""
    with zipfile.ZipFile(tmp_path / "tensorrt-8.5.2.2-cp311-none-linux_aarch64.whl", "w") as wheel:
        # Enough lines to break the pipe of a reader that stops after the first one.
        for name in ("tensorrt/__init__.py", module, *(f"tensorrt/{n}.py" for n in range(2000))):
            wheel.writestr(name, "")
    guard = re.sub("/wheels", str(tmp_path), step("build.sh")[step("build.sh").index("{ python3 -m zipfile") :])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", guard], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == returned
    assert ("error: the bindings of TensorRT did not compile" in done.stderr) == bool(returned)
