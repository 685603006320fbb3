"""Virtual environments for the peers, each with packages at pinned versions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.cli.console import console
from edge.contract.errors import MissingDependency

CACHE = Path("runs/peers/environments")
"""runs/ is not part of the repository."""


@dataclass(frozen=True)
class Peer:
    """requirements: for pip, each pinned. pip_flags: more flags for pip."""

    name: str
    requirements: tuple[str, ...]
    pip_flags: tuple[str, ...] = ()


MEDIAPIPE = Peer("mediapipe", ("mediapipe==0.10.21",))
"""The last version with the interface that includes its networks."""
MEDIAPIPE_TASKS = Peer("mediapipe-tasks", ("mediapipe==1.2.3",))
CONTINUAL = Peer("continual-inference", ("continual-inference==1.2.4",), ("--no-deps",))


def environment(peer: Peer) -> Path:
    """The Python of the peer's environment, which is created if missing. Raises MissingDependency if pip fails."""
    folder = CACHE / peer.name
    python, installed = folder / "bin" / "python", folder / "requirements.json"
    if installed.is_file() and json.loads(installed.read_text()) == list(peer.requirements):
        return python
    console.print(f"installing {', '.join(peer.requirements)} into {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.pip_flags]
    if subprocess.run([*pip, *peer.requirements], check=False).returncode:
        raise MissingDependency(
            peer.name, needed_for="the comparison with it", install=f"{' '.join(pip)} {' '.join(peer.requirements)}"
        )
    installed.write_text(json.dumps(peer.requirements))
    return python


def packages_of(peer: Peer) -> Path:
    """The environment's site-packages, for a peer that runs on this process's PyTorch or numpy."""
    (found,) = (environment(peer).parents[1] / "lib").glob("python3*/site-packages")
    return found


def run_json(command: Sequence[str]) -> dict[str, Any]:
    """Run a command and parse the JSON in its last line. Raises subprocess.CalledProcessError if it fails."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
