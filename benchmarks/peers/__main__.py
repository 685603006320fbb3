"""``make bench-peers``: every section once, in processes of their own, then the page.

    python -m benchmarks.peers [--data FOLDER] [--only SECTION ...]

A section whose peer cannot be installed says so and is left out; the others run. Accuracies are trained where --data
is given: hours on two cores, resumed where they were interrupted.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks import command_line
from benchmarks.peers.page import write_page

SECTIONS = ("network_latency", "pose_pipelines", "streaming_step", "roofline", "costs", "stages")


def main() -> None:
    parser = command_line.parser("benchmarks.peers", __doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=SECTIONS)
    given = parser.parse_args()
    failed = []
    for section in given.only:
        print(f"running {section}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.peers.{section}"], check=False).returncode:
            failed.append(section)
    if given.data is not None:
        training = [sys.executable, "-m", "benchmarks.peers.accuracy", "--data", str(given.data)]
        if subprocess.run(training, check=False).returncode:
            failed.append("accuracy")
    write_page()
    print("written  benchmarks/peers.md")
    if failed:
        sys.exit(f"error: did not run: {', '.join(failed)}; their earlier figures, if any, stand")


if __name__ == "__main__":
    command_line.run(main)
