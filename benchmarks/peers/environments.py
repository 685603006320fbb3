"""Each peer in a virtual environment of its own, from the package index at a pinned version."""

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
    """requirements: what pip installs, each pinned. own: further flags of pip, for what is here already."""

    name: str
    requirements: tuple[str, ...]
    own: tuple[str, ...] = ()


MEDIAPIPE = Peer("mediapipe", ("mediapipe==0.10.21",))
"""The last with the interface that brings its networks along."""
MEDIAPIPE_TASKS = Peer("mediapipe-tasks", ("mediapipe==1.2.3",))
CONTINUAL = Peer("continual-inference", ("continual-inference==1.2.4",), ("--no-deps",))


def environment(peer: Peer) -> Path:
    """The Python of the peer's environment, made first where it is absent. MissingDependency where pip cannot."""
    folder = CACHE / peer.name
    python, told = folder / "bin" / "python", folder / "requirements.json"
    if told.is_file() and json.loads(told.read_text()) == list(peer.requirements):
        return python
    console.print(f"installing {', '.join(peer.requirements)} into {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.own]
    if subprocess.run([*pip, *peer.requirements], check=False).returncode:
        raise MissingDependency(
            peer.name, needed_for="being measured against it", install=f"{' '.join(pip)} {' '.join(peer.requirements)}"
        )
    told.write_text(json.dumps(peer.requirements))
    return python


def packages_of(peer: Peer) -> Path:
    """The environment's site-packages, for a peer that runs inside this environment's PyTorch or numpy."""
    (found,) = (environment(peer).parents[1] / "lib").glob("python3*/site-packages")
    return found


def answer(command: Sequence[str]) -> dict[str, Any]:
    """What a command prints as JSON in its last line; subprocess.CalledProcessError where it fails."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
