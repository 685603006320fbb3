"""Run documented docker lines without docker: check the flags, and run here what the container would run.

docker/run sees the root of a fake board, see flashed_board.py. The container's command runs in a folder with the files
that the image has.
"""

import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from docs_workspace import engine_of
from documented import COMMANDS, ROOT
from flashed_board import flashed, pairs, run
from test_docs_run import folder, must_run

__all__ = ["flashed", "folder"]
LINES = sorted({command.line for command in COMMANDS if command.kind == "image"})
SERVICES = [command for command in COMMANDS if command.kind == "service"]
# Flags with and without a value, from `docker run --help` and `docker buildx build --help` of version 28.2.
VALUED = {"--cap-drop", "--device", "--env", "--group-add", "--name", "--network", "--runtime", "--security-opt"}
RUN_FLAGS = VALUED | {"--volume"}, {"--init", "--rm"}
BUILD_FLAGS = {"--build-arg", "--build-context", "--file", "--network", "--tag", "--target"}, {"--load"}


def after_flags(words, known):
    """The words after the flags, each of which must be one of docker's."""
    valued, alone = known
    words = list(words)
    while words[0].startswith("-"):
        flag = words.pop(0)
        assert flag in valued | alone
        if flag in valued:
            words.pop(0)
    return words


def started(line, folder, board):
    """The arguments of `docker run` for a documented line; builds are checked."""
    done, (build, start) = run(board, "--dry-run", *shlex.split(line)[1:], folder=folder)
    assert done.returncode == 0, done.stderr
    assert build[:3] == ["docker", "buildx", "build"] and start[:2] == ["docker", "run"]
    (context,) = after_flags(build[3:], BUILD_FLAGS)
    assert context == str(ROOT)
    return start[2:]


def test_the_commands_of_docker_run_run(folder, flashed, board, capfd):
    shutil.copytree(folder / "bundles/everyday", folder / "my_bundle")
    shutil.copytree(folder / "bundles/everyday", folder / "runs/bundle")
    inside = set()
    for line in LINES:
        start = started(line, folder, flashed)
        given = pairs(shlex.split(line), "--bundle-folder")
        mounted = folder / given[0] if given else ROOT / "bundles/everyday"
        assert f"{mounted}:/mnt/bundle:ro" in pairs(start, "--volume"), line
        image, *command = after_flags(start, RUN_FLAGS)
        assert image == "skd-edge:jetpack6" and command[0] in ("edge", "calibrate"), line
        inside.add(shlex.join(command))
    board(**engine_of(folder / "bundle/student.onnx"))
    for command in sorted(inside):
        must_run(command, capfd)


def test_docker_has_these_flags():
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("apt install docker.io")
    help_text = subprocess.run([docker, "run", "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    valued = set(re.findall(r"^ {2,}(?:-\w, )?(--[\w-]+) (?!  )", help_text, re.MULTILINE))
    alone = set(re.findall(r"^ {2,}(?:-\w, )?(--[\w-]+) {2,}", help_text, re.MULTILINE))
    assert RUN_FLAGS[0] <= valued and RUN_FLAGS[1] <= alone


def filled_in(text, variables):
    """Substitute ``${NAME:-default}`` and ``${NAME:?message}``, which is required, as docker compose does."""

    def value(found):
        name, how, rest = found.groups()
        if variables.get(name):
            return variables[name]
        assert how == "-", f"{name} is required: {rest}"
        return rest

    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", value, text)


@pytest.mark.parametrize("line", [command.line for command in SERVICES])
def test_the_command_of_a_service_runs(line, folder, board, capfd):
    words = shlex.split(line)
    variables = dict(word.split("=", 1) for word in words[: words.index("docker")])
    path = ROOT / pairs(words, "--file")[0]
    (service,) = yaml.safe_load(filled_in(path.read_text(), variables))["services"].values()
    assert service["image"] == "skd-edge:jetpack6" and (ROOT / "docker/Dockerfile.jetpack6").is_file()
    assert service["devices"] == [variables["SOURCE"]] and service["restart"] == "unless-stopped"
    board(**engine_of(folder / "bundle/student.onnx"))
    must_run(shlex.join(map(str, service["command"])), capfd)


@pytest.mark.parametrize("line", [command.line for command in SERVICES])
def test_docker_compose_parses_a_service_the_same_way(line, tmp_path):
    before, _, flags = line.partition("docker compose ")
    script = f"{before}docker compose {flags.replace('up --detach', 'config')}"
    if not has("docker", "compose"):
        if not has("docker-compose"):
            pytest.skip("apt install docker-compose-v2")
        # Version 1 lacks this option, and creates no folders for mounts in the long syntax anyway.
        old = tmp_path / "compose.yaml"
        text = (ROOT / "docker/compose.yaml").read_text()
        old.write_text(text.replace(", bind: {create_host_path: false}", ""))
        script = script.replace("docker compose", "docker-compose").replace("docker/compose.yaml", str(old))
    done = subprocess.run(["sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    (service,) = yaml.safe_load(done.stdout)["services"].values()
    variables = dict(word.split("=", 1) for word in before.split())
    (expected,) = yaml.safe_load(filled_in((ROOT / "docker/compose.yaml").read_text(), variables))["services"].values()
    for key in ("image", "command", "runtime", "restart", "network_mode"):
        assert service[key] == expected[key]


def has(*program):
    """Whether this program is installed; docker without the plugin is not."""
    try:
        done = subprocess.run([*program, "version"], capture_output=True, check=False, timeout=60)
    except FileNotFoundError:
        return False
    return done.returncode == 0
