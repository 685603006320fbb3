"""Memory, temperatures and power rails of a Jetson, sampled by ``tegrastats``."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from edge.periodic import run_periodically
from edge.power import board_power_w, rails_w

INTERVAL_MS = 200


@dataclass(frozen=True)
class BoardSample:
    """One line of tegrastats. rails_w: current power by rail. temperatures_c: by sensor."""

    ram_mb: int | None
    temperatures_c: Mapping[str, float]
    rails_w: Mapping[str, float]

    @property
    def power_w(self) -> float | None:
        """Power of the whole board, None if no rail reports it."""
        return board_power_w(self.rails_w)

    @property
    def hottest_c(self) -> float | None:
        """The highest temperature, None if there are no sensors."""
        return max(self.temperatures_c.values(), default=None)


def read_line(line: str) -> BoardSample:
    """Parse a line of tegrastats of L4T r32 (milliwatts without a unit) to r38.

    Sensors that are off (-256) and PMIC sensors, which report a constant, are left out.
    """
    ram = re.search(r"\bRAM (\d{1,9})/\d+MB", line)
    heat = re.findall(r"\b([A-Za-z]\w*)@(-?\d{1,4}(?:\.\d+)?)C\b", line)
    # Thor's idle GPU draws less than its monitor's error, which may be negative.
    rails = re.findall(r"\b([A-Z][A-Z0-9_]*) (-?\d{1,9})(?:mW)?/-?\d+(?:mW)?(?=\s|/|$)", line)
    return BoardSample(
        int(ram[1]) if ram else None,
        {name: float(text) for name, text in heat if float(text) > 0 and name.upper() != "PMIC"},
        {name: int(milliwatts) / 1000 for name, milliwatts in rails if name not in ("RAM", "SWAP", "IRAM")},
    )


@contextmanager
def board_samples() -> Iterator[list[BoardSample]]:
    """A list to which a sample is appended every 200 ms during the block.

    Without tegrastats, as in a container, the samples hold only the power rails from the kernel's files; without these
    the list stays empty.
    """
    samples: list[BoardSample] = []
    process = _tegrastats()
    with _from_files(samples) if process is None else _from_tegrastats(process, samples):
        yield samples


def _tegrastats() -> subprocess.Popen[str] | None:
    """The program, started; None where it is missing or does not run."""
    command = "tegrastats", "--interval", str(INTERVAL_MS)
    try:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace"
        )
    except OSError:
        return None


@contextmanager
def _from_tegrastats(process: subprocess.Popen[str], samples: list[BoardSample]) -> Iterator[None]:
    def follow() -> None:
        with process.stdout or nullcontext(()) as lines:
            for line in lines:
                samples.append(read_line(line))

    thread = threading.Thread(target=follow, name="tegrastats", daemon=True)
    thread.start()
    try:
        yield
    finally:
        process.kill()
        process.wait()
        thread.join(timeout=5)  # a program started by a script may outlive it


def _from_files(samples: list[BoardSample]) -> AbstractContextManager[None]:
    if not rails_w():
        return nullcontext()
    return run_periodically(lambda: samples.append(BoardSample(None, {}, rails_w())), INTERVAL_MS / 1000, "rails")
