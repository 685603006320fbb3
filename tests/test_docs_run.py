"""Every command of README and docs is run, page by page, in a folder with small data: what a page makes, its next uses.

Trainings are cut to one epoch, measurements to a few pictures, and a short recording takes the place of cameras.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys

import cv2
import networks
import numpy as np
import pytest
import torch
from documented import COMMANDS, PAGES, ROOT, Documented, code, commands, name_of
from onnx import helper

import calibrate.__main__
import edge.__main__
import edge.capture.registry
import edge.contract.layouts
import edge.pose.registry
import train.__main__
from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, DEMO_CLIP, fetch
from edge.bench.commands import BENCH_COMMANDS
from edge.command_line import run_command_line
from edge.contract.bundle import read_bundle
from edge.contract.errors import DownloadError
from edge.engines.registry import open_engine
from train.networks.trt_pose import trt_pose_network

# torch's exporter of 2.13 calls a function of its own that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")

ROOMS = {
    "edge": edge.__main__.COMMANDS,
    "edge bench": BENCH_COMMANDS,
    "train": train.__main__.COMMANDS,
    "calibrate": calibrate.__main__.COMMANDS,
}
SHORT_TRAINING = (
    "--optimiser.epochs",
    "1",
    "--optimiser.learning_rate",
    "0.01",
    "--width",
    "8",
    "--hardware.threads",
    "1",
    "--data.clips_per_class",
    "6",
)
SMALL = {
    "edge run": ("--frames", "40", "--recogniser.threads", "1", "--pose.threads", "1"),
    "edge bench latency": ("--runs", "2", "--frames", "16", "--warm_up_frames", "4", "--queries", "3"),
    "train pairs": ("--workers", "1", "--fps", "10"),
    "train teacher": SHORT_TRAINING,
    "train student": SHORT_TRAINING,
    "train pose": ("--size", "64"),
    "calibrate pose": ("--samples", "2", "--float_layers", "0"),
}
INSTEAD = {"0": "clip.mp4", "/dev/video0": "clip.mp4", "8080": "0"}
"""Of a camera, and of a port that may be taken."""
JUDGES = ("edge doctor", "edge check", "edge bench accuracy", "calibrate verify")
"""Leave with 1 where this machine, or a student trained for one epoch, is not as wanted."""
SAID_INSTEAD = {
    "--pose.network pose.int8.onnx": "no person in view",
    "edge threshold": "no threshold makes",
    "--pose.engine openvino": "needs the package openvino",
}
"""What commands may say instead of their work: of networks never trained, or without a package of 180 MB."""
IN_A_SHELL = {"docs/howto/camera.md", "docs/howto/several_cameras.md"}
"""Pages with pipes and jobs."""


@pytest.fixture(scope="module")
def people():
    """Pictures of two people who walk, 640x360, from the demo's clip."""
    try:
        fetch(BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS)
        capture = cv2.VideoCapture(str(fetch(DEMO_CLIP)[0]))
    except DownloadError as error:
        pytest.skip(f"BlazePose and the demo's clip cannot be fetched: {error.what}")
    capture.set(cv2.CAP_PROP_POS_FRAMES, 90)
    pictures = [cv2.resize(capture.read()[1], (640, 360), interpolation=cv2.INTER_AREA) for _ in range(48)]
    capture.release()
    return pictures


def film(path, pictures):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (640, 360))
    for picture in pictures:
        writer.write(picture)
    writer.release()


def one_pose(path):
    """A network that gives the same person, who stands, for every picture."""
    joints = np.linspace(0.2, 0.8, 17)
    body = np.stack([joints, np.where(np.arange(17) % 2, 0.45, 0.55), np.full(17, 0.9)], 1).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["none"]),
        helper.make_node("Add", ["none", "body"], ["joints"]),
    ]
    weights = {"zero": np.zeros((), np.float32), "body": body[None, None]}
    networks.save(path, nodes, weights, (("image", [1, 48, 48, 3]), ("joints", [1, 1, 17, 3])))


@pytest.fixture
def folder(people, tmp_path, monkeypatch):
    """What a reader of these pages has: videos of two classes, a clip, networks, the project's bundle, test clips."""
    shutil.copytree(ROOT / "bundles", tmp_path / "bundles")
    film(tmp_path / "clip.mp4", people)
    for label in ("walk", "stand"):
        for number, start in enumerate((0, 16)):
            film(tmp_path / "videos" / label / f"0{number}.mp4", people[start : start + 32])
    reference = read_bundle(tmp_path / "bundles/everyday").reference()
    (tmp_path / "runs").mkdir()
    for name in ("test.npz", "calibration.npz"):
        np.savez(tmp_path / "runs" / name, clips=reference["clips"][:8], labels=reference["logits"][:8].argmax(1))
    torch.manual_seed(0)
    torch.save(trt_pose_network().state_dict(), tmp_path / "resnet18.pth")
    one_pose(tmp_path / "movenet.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def registries():
    """What a page adds to is as before afterwards."""
    changed = (edge.contract.layouts.LAYOUTS, edge.pose.registry.ESTIMATORS, edge.capture.registry.SCHEMES)
    before = [dict(registry) for registry in changed]
    yield
    for registry, entries in zip(changed, before, strict=True):
        registry.clear()
        registry.update(entries)


def add_code(page):
    """Do what the page's blocks of code say, as if they stood where it puts them."""
    layouts = edge.contract.layouts
    names = {"_layout": layouts._layout, "ESTIMATORS": edge.pose.registry.ESTIMATORS, "open_engine": open_engine}
    for block in code(page):
        if block.startswith("_layout("):
            added = eval(block, names)
            layouts.LAYOUTS[added.name] = added
        else:
            exec(block, names)


def small(words):
    """The command with its small data: room, name, and the rest."""
    room = "edge bench" if words[:2] == ["edge", "bench"] else words[0]
    name, *rest = words[len(room.split()) :]
    rest = [INSTEAD.get(word, word) for word in rest]
    if "--sinks.show" in rest:
        at = rest.index("--sinks.show")
        del rest[at : at + 2]
    # Of a flag that is given twice the last counts.
    return room, name, [*rest, *SMALL.get(f"{room} {name}", ())]


def run_python(line):
    room, name, rest = small(shlex.split(line))
    try:
        run_command_line(room, "", ROOMS[room], [name, *rest])
    except SystemExit as left:
        return left.code
    return 0


def run_in_shell(page_commands, folder):
    """The page's lines, one after the other, as one script."""
    script = "set -e\n" + "\n".join(command.line for command in page_commands)
    flags = " ".join(SMALL["edge run"][2:])
    for camera in ("/dev/video0", "/dev/video2"):
        script = script.replace(f"--source {camera}", f"--source clip.mp4 {flags}")
    for port in ("8081", "8082"):
        script = script.replace(port, "0")
    script = script.replace("python -m", f"{shlex.quote(sys.executable)} -m").replace("wait", "wait -n; wait -n")
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if any(c.python for c in commands(page))], ids=name_of)
def test_the_commands_of_a_page_do_what_it_says(page, folder, registries, capfd):
    add_code(page)
    for command in commands(page):
        if command.marked or command.python is None:
            continue
        left_with = run_python(command.python)
        said = capfd.readouterr().err
        if left_with == 2 and any(sign in command.line and words in said for sign, words in SAID_INSTEAD.items()):
            continue
        assert left_with in ((0, 1) if command.python.startswith(JUDGES) else (0,)), f"{command.line}\n{said}"


def test_make_knows_the_targets_that_the_pages_name(tmp_path):
    lines = {command.line for command in COMMANDS if command.line.startswith("make ")}
    assert len(lines) >= 5
    for line in lines:
        done = subprocess.run(
            ["make", "-n", *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"


def shell_lines(page):
    return [command for command in commands(ROOT / page) if kind(command) == "shell"]


def test_pictures_of_another_program_become_people(folder):
    run_in_shell(shell_lines("docs/howto/camera.md"), folder)
    assert '"track_id"' in (folder / "people.jsonl").read_text()


def test_two_cameras_leave_their_own_events(folder):
    run_in_shell(shell_lines("docs/howto/several_cameras.md"), folder)
    for name in ("front.jsonl", "back.jsonl"):
        assert "person_entered" in (folder / "runs" / name).read_text()


def kind(command: Documented) -> str:
    """How a command is held to the truth."""
    if command.marked:
        return "parsed"
    if command.on_host:
        return "docker"
    if command.python is not None:
        return "run"
    if command.line.startswith("make "):
        return "make -n"
    if re.fullmatch(r"pip install 'skd-edge\[\w+\]'", command.line):
        return "extra"
    return "shell" if command.page in IN_A_SHELL else "unknown"


def test_what_is_to_be_installed_is_an_extra_of_the_project():
    extras = {command.line.partition("[")[2].partition("]")[0] for command in COMMANDS if kind(command) == "extra"}
    known = re.findall(r"^(\w+) = \[$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert extras <= set(known)


def test_nothing_is_told_to_a_reader_that_is_not_checked():
    unknown = [command.line for command in COMMANDS if kind(command) == "unknown"]
    assert unknown == []
    assert sum(kind(command) == "run" for command in COMMANDS) >= 35
