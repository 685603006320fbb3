"""Run every command of README and docs, page by page, in a folder with small data; a page's commands share files.

Cameras, TensorRT and its GPU are fakes at the driver's boundary. See also test_docs_make.py and test_docs_docker.py.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys

import cv2
import pytest
from docs_workspace import CHANNELS, camera_or_file, engine_of
from documented import COMMANDS, PAGES, ROOT, code, commands, name_of
from programs import PROGRAMS
from short_commands import ADDED, short

import edge.capture.registry
import edge.contract.layouts
import edge.pose.registry
from edge.cli.command_line import run_command_line
from edge.engines.registry import open_engine

# torch's exporter of 2.13 calls a function of its own that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")

INSTEAD = {
    **dict.fromkeys(("8080", "8081", "8082"), "0"),
    "DATA": "data",
    "BUNDLE": "bundles/everyday",
    "mqtt://broker.local/front": "mqtt://127.0.0.1:9/front",
}
"""Replacements for ports that may be in use, placeholders, and a broker; it is absent, and the loop does not wait."""
NO_WINDOW = ("--sinks.show", "--display")
"""Flags that need a screen, removed with their value; tests/edge/test_window.py covers them."""
JUDGES = ("edge doctor", "edge check", "edge bench accuracy", "calibrate verify", "calibrate measure")
"""Commands that may exit with 1, because of this machine or a student trained for one epoch."""
ACCEPTED_ERRORS = {
    "--pose.network pose": "no person in view",
    "edge threshold": "no threshold makes",
    "--frames": "the FP32 network finds nobody",
    "--pose.engine openvino": "needs the package openvino",
}
"""Flag or command -> error that it may end with: networks are untrained, and a package of 180 MB is optional."""
TRAINED = (
    "train teacher --out runs/teacher",
    "train student --out runs/student --teacher runs/teacher",
    "train export --run runs/student --bundle runs/bundle --workdir runs",
)
POSE_NETWORK = "train pose --weights resnet18.pth --out pose.onnx"
BEFORE = {
    "docs/howto/int8.md": (*TRAINED, POSE_NETWORK),
    "docs/howto/dla.md": (
        POSE_NETWORK,
        "calibrate pose --network pose.onnx --frames clip.mp4",
        "calibrate engine --onnx pose.onnx --out pose.engine",
    ),
}
"""Commands that a reader of that page has run before."""
ENGINES_OF = {
    "docs/howto/board.md": "bundles/everyday/student.onnx",
    "docs/howto/dla.md": "pose.onnx",
    "docs/howto/pose_network.md": "pose.onnx",
}
"""Pages that need TensorRT and a GPU: the fake engines compute this network."""


@pytest.fixture
def folder(docs_workspace, people, tmp_path, monkeypatch):
    """A copy of the files that the commands use, as current folder."""
    shutil.copytree(docs_workspace, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cv2, "VideoCapture", camera_or_file(people))
    monkeypatch.setattr("edge.capture.gstreamer.has_gstreamer", lambda: True)
    monkeypatch.setattr("train.data.readers.everyday.GENERATED_PER_CLASS", 6)
    monkeypatch.setattr("train.data.readers.everyday.FIDGETS", 6)
    monkeypatch.setattr("train.networks.trt_pose.UPSAMPLED", CHANNELS)
    monkeypatch.setattr("train.quantise_aware.pose.VALIDATION_CROPS", 2)
    monkeypatch.setattr("calibrate.measure._output_of", step_here)
    return tmp_path


@pytest.fixture
def registries():
    """Restore the registries that a page's code adds to."""
    changed = (edge.contract.layouts.LAYOUTS, edge.pose.registry.ESTIMATORS, edge.capture.registry.SCHEMES)
    before = [dict(registry) for registry in changed]
    yield
    for registry, entries in zip(changed, before, strict=True):
        registry.clear()
        registry.update(entries)


def add_code(page):
    """Run the page's code blocks as if they were in the modules that it names."""
    layouts = edge.contract.layouts
    names = {
        "_layout": layouts._layout,
        "SCHEMES": edge.capture.registry.SCHEMES,
        "ESTIMATORS": edge.pose.registry.ESTIMATORS,
        "open_engine": open_engine,
    }
    for block in code(page):
        if block.startswith("_layout("):
            added = eval(block, names)
            layouts.LAYOUTS[added.name] = added
        else:
            exec(block, names)


def run_python(line):
    """Run what follows ``python -m``; return the exit code."""
    words = [INSTEAD.get(word, word) for word in shlex.split(line)]
    for flag in NO_WINDOW:
        if flag in words:
            at = words.index(flag)
            del words[at : at + 2]
    room, name, rest = short(words)
    try:
        run_command_line(room, "", PROGRAMS[room], [name, *rest])
    except SystemExit as left:
        return left.code
    return 0


def step_here(command, printed):
    """Runs a step of `calibrate measure` in this process, in short like the others; the rest as there."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exit_code = run_python(shlex.join(command[2:]))
    return exit_code, said.getvalue(), ""


def must_run(line, capfd):
    exit_code = run_python(line)
    said = capfd.readouterr().err
    if exit_code == 2 and any(sign in line and words in said for sign, words in ACCEPTED_ERRORS.items()):
        return
    assert exit_code in ((0, 1) if line.startswith(JUDGES) else (0,)), f"{line}\n{said}"


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page, "python")], ids=name_of)
def test_the_commands_of_a_page_run(page, folder, board, registries, capfd):
    name = name_of(page)
    add_code(page)
    lines = [*BEFORE.get(name, ()), *(command.python for command in commands(page, "python"))]
    network = ENGINES_OF.get(name)
    for line in lines:
        if network and (folder / network).exists():
            board(**engine_of(folder / network))
            network = None
        must_run(line, capfd)


FFMPEG = f"""#!{sys.executable}
import sys
import cv2
assert sys.argv[1:] == "-loglevel error -i clip.mp4 -f rawvideo -pix_fmt bgr24 -".split()
clip = cv2.VideoCapture("clip.mp4")
while (read := clip.read())[0]:
    sys.stdout.buffer.write(read[1].tobytes())
"""
"""Stands in for ffmpeg on that page."""


def test_the_python_example_prints_results_frame_by_frame(folder, capsys):
    (block,) = code(ROOT / "docs/howto/python.md")
    exec(block, {})
    told = capsys.readouterr().out
    assert re.search(r"^0\.\d\d s: #1 undecided \(", told, re.MULTILINE)
    assert "person_entered 1 None" in told


def run_in_shell(page, folder):
    """Run the page's shell lines as one script."""
    script = "set -e\n" + "\n".join(command.line for command in commands(page, "shell"))
    flags = " ".join(ADDED["edge run"][2:])
    for camera in ("/dev/video0", "/dev/video2"):
        script = script.replace(f"--source {camera}", f"--source clip.mp4 {flags}")
    for port in ("8081", "8082"):
        script = script.replace(port, "0")
    script = script.replace("python -m", f"{shlex.quote(sys.executable)} -m")
    # A plain wait ignores the jobs' exit codes.
    script = script.replace("wait", "for job in $(jobs -p); do wait $job; done")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{os.environ['PATH']}:{folder}/programs"}
    ffmpeg = folder / "programs/ffmpeg"
    ffmpeg.parent.mkdir()
    ffmpeg.write_text(FFMPEG)
    ffmpeg.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr


def test_frames_piped_from_another_program_become_people(folder):
    run_in_shell(ROOT / "docs/howto/camera.md", folder)
    assert '"track_id"' in (folder / "people.jsonl").read_text()


def test_two_cameras_write_separate_events(folder):
    run_in_shell(ROOT / "docs/howto/several_cameras.md", folder)
    for name in ("front.jsonl", "back.jsonl"):
        assert "person_entered" in (folder / "runs" / name).read_text()


@pytest.mark.parametrize("line", [command.line for command in COMMANDS if command.kind == "extra"])
def test_documented_extras_exist(line):
    """Without the download; for an unknown extra pip only prints a warning."""
    words = [sys.executable, "-m", *shlex.split(line), "--dry-run", "--no-index", "--no-deps"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 and "does not provide the extra" not in done.stderr, done.stderr


def test_every_page_with_shell_lines_is_run():
    pages = {command.page for command in COMMANDS if command.kind == "shell"}
    assert pages == {"docs/howto/camera.md", "docs/howto/several_cameras.md"}
    assert sum(command.kind == "python" for command in COMMANDS) >= 60
