"""Run the make targets that README names, with the Makefile's own recipes, small data and short trainings.

The virtual environment is that of the tests, and this process runs each recipe's `python -m`, see forward_python.py.
"""

import shlex
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
from documented import COMMANDS, ROOT
from heatmap_person import person_network
from test_docs_run import folder, run_python

from edge.contract.layouts import convert, layout
from edge.pose.registry import PoseConfig, open_estimator

__all__ = ["folder"]
# torch's exporter of 2.13 calls a function of its own that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")

LINES = list(dict.fromkeys(command.line for command in COMMANDS if command.kind == "make"))
MAKES = {
    "make demo": ["runs/demo/annotated.mp4", "runs/demo/people.jsonl", "runs/demo/latency.json"],
    "make road": ["runs/road/kinematic/bundle/student.int8.onnx", "runs/road/kinematic/demo/people.jsonl"],
    "make road DATA=folder DATASET=penn_action": ["runs/road/penn_action/demo/people.jsonl"],
    'make pairs VIDEOS=folder PAIR_FLAGS="--low.name trt_pose --low.network pose.onnx"': [
        "runs/pairs/pairs.yaml",
        "runs/pairs/walk/00.mp4.npz",
    ],
    "make road DATA=runs/pairs DATASET=video_pairs": ["runs/road/video_pairs/demo/people.jsonl"],
    "make ablation DATA=folder DATASET=utd_mhad": ["runs/ablation/utd_mhad/ablation.md"],
    "make int8 DATA=folder DATASET=penn_action": ["runs/int8/penn_action/bundle/student.int8.onnx"],
}
"""The files that each target must write."""


@pytest.fixture
def checkout(folder, people):
    """A clone with its virtual environment, and the files that the commands use."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "benchmarks").mkdir()
    for page in ("int8.md", "distillation.md"):
        shutil.copy(ROOT / "benchmarks" / page, folder / "benchmarks" / page)
    (folder / "venv/bin").mkdir(parents=True)
    (folder / "venv/bin/python").symlink_to(sys.executable)
    for stamp in ("edge.stamp", "all.stamp"):
        (folder / "venv" / stamp).touch()
    person_network(folder / "pose.onnx", first_person(people[24]))
    return folder


def first_person(image):
    """(18, 2): the person that BlazePose finds, in trt_pose's joints, 0..1 of a square around the image."""
    estimator = open_estimator(PoseConfig(threads=1))
    found, order = estimator.estimate(image)[0], layout("trt_pose-18")
    joints = convert(found.keypoints, estimator.layout, order)[:, :2]
    estimator.close()
    height, width = image.shape[:2]
    return (joints + np.array([0, (width - height) / 2])) / width


def make(line, folder):
    instead = line.replace("VIDEOS=folder", "VIDEOS=videos").replace("DATA=folder", "DATA=data")
    program = f"{shlex.quote(sys.executable)} -S {shlex.quote(str(ROOT / 'tests/forward_python.py'))}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("python.sock")
        server.listen()
        server.settimeout(0.1)
        with subprocess.Popen([*shlex.split(instead), "VENV=venv", f"RUN={program}"], cwd=folder) as made:
            while made.poll() is None:
                try:
                    caller, _ = server.accept()
                except TimeoutError:
                    continue
                with caller, caller.makefile() as request:
                    exit_code = run_python(shlex.join(request.read().split("\0")))
                    caller.sendall(str(exit_code).encode())
    (folder / "python.sock").unlink()
    assert made.returncode == 0, line


def test_each_documented_target_writes_its_files(checkout):
    # In this order: the road over pairs uses the pairs made before it.
    for line, files in MAKES.items():
        make(line, checkout)
        assert [name for name in files if not (checkout / name).is_file()] == [], line


def test_every_documented_target_is_run():
    assert set(LINES) == {*MAKES, "make test"}


@pytest.mark.parametrize("target", ["pairs", "int8", "ablation DATASET=utd_mhad"])
def test_a_target_without_its_folder_is_refused_before_anything_is_installed(target, tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    made = ["make", *target.split()]
    done = subprocess.run(made, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "give the folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_two_targets_never_install_at_the_same_time(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho begins >> log; sleep 0.3; echo ends >> log\n")
    python.chmod(0o755)
    subprocess.run(["make", "-j2", "soak", "setup"], cwd=tmp_path, capture_output=True, timeout=60, check=True)
    runs = (tmp_path / "log").read_text().split()
    assert len(runs) >= 4 and runs == ["begins", "ends"] * (len(runs) // 2)
