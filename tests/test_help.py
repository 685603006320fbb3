"""`--help` answers at once: no command of any room loads a framework to say what it takes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOW = ("torch", "lightning_fabric", "matplotlib", "sklearn", "tensorrt", "scipy.signal")

ASKS = """
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


@pytest.mark.parametrize("room", ["edge", "train", "calibrate"])
def test_no_help_waits_for_a_framework(room):
    done = subprocess.run(
        [sys.executable, "-c", ASKS, f"{room}.__main__"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert len(loaded) >= 8
    for command, modules in loaded.items():
        assert "numpy" in modules and not set(SLOW) & set(modules), command


def test_a_command_that_trains_says_what_to_install_where_there_is_no_pytorch(tmp_path):
    """As after `make demo`, which installs what the device side needs."""
    code = "import sys; sys.modules['torch'] = None; import train.__main__; train.__main__.main()"
    flags = ["teacher", "--out", str(tmp_path / "run"), "--data.dataset", "kinematic"]
    done = subprocess.run([sys.executable, "-c", code, *flags], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: this command needs the package torch; install it with: pip install 'skd-edge[train]'"
    )
