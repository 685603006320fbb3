"""``make bench-peers``: run every section in its own process, then write the page.

    python -m benchmarks.peers [--data FOLDER] [--only SECTION ...]

A section whose peer cannot be installed reports that and is skipped; the others run. With --data the networks are
trained too: hours on two cores; interrupted trainings resume.
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
        sys.exit(f"error: did not run: {', '.join(failed)}; their earlier figures, if any, are kept")


if __name__ == "__main__":
    command_line.run(main)
