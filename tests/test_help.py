"""`--help` is fast: no command loads a framework for it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOW = (
    "torch",
    "lightning_fabric",
    "matplotlib",
    "sklearn",
    "tensorrt",
    "scipy",
    "onnxruntime.quantization",  # loads torch on Python 3.10
)

SCRIPT = """
import contextlib, importlib, io, json, sys
main = importlib.import_module(sys.argv[1])
loaded = {}
for command in ([], *([name] for name in main.COMMANDS)):
    sys.argv = ["it", *command, "--help"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main.main()
    assert "usage:" in said.getvalue(), command
    loaded[" ".join(command)] = sorted(sys.modules)
print(json.dumps(loaded))
"""


@pytest.mark.parametrize("package", ["edge", "train", "calibrate"])
def test_help_imports_no_framework(package):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{package}.__main__"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert len(loaded) >= 8
    for command, modules in loaded.items():
        assert "numpy" in modules and not set(SLOW) & set(modules), command


def test_a_training_command_without_pytorch_says_what_to_install(tmp_path):
    """As after `make demo`, which installs only what edge needs."""
    code = "import sys; sys.modules['torch'] = None; import train.__main__; train.__main__.main()"
    flags = ["teacher", "--out", str(tmp_path / "run"), "--data.dataset", "kinematic"]
    done = subprocess.run([sys.executable, "-c", code, *flags], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: this command needs the package torch; install it with: make setup, or pip install 'skd-edge[train]'"
    )


@pytest.mark.parametrize(
    ("room", "command"),
    [("train", "pose --out pose.onnx"), ("calibrate", "pose --network pose.onnx --frames images")],
)
def test_without_extras_a_room_of_the_workstation_says_what_to_install(room, command):
    code = f"import sys; sys.modules['cv2'] = None; import {room}.__main__; {room}.__main__.main()"
    run = [sys.executable, "-c", code, *command.split()]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=120)
    needed = f"this command needs the package cv2; install it with: make setup, or pip install 'skd-edge[{room}]'"
    assert done.returncode == 2 and done.stderr.strip() == f"error: {needed}"
