"""``python -m edge``: the camera loop and the other commands of a device."""

from __future__ import annotations

if __name__ == "__main__":
    from edge.cli.sigint import exit_silently_on_sigint

    exit_silently_on_sigint()

import sys
from dataclasses import dataclass

from rich.table import Table

from edge.check import CheckConfig, check
from edge.cli.command_line import Command, run_command_line
from edge.cli.console import print_data
from edge.cli.leftover_threads import exit_past_threads
from edge.contract.errors import ConfigError
from edge.contract.layouts import LAYOUTS
from edge.demo import DemoConfig, demo
from edge.doctor.command import DoctorConfig, doctor
from edge.loop.config import RunConfig
from edge.run import run
from edge.soak.command import SoakConfig, soak
from edge.threshold import ThresholdConfig, threshold


@dataclass(frozen=True)
class LayoutsConfig:
    """List the joint layouts."""


def layouts(_: LayoutsConfig) -> None:
    table = Table("layout", "joints", "in order")
    for name, layout in LAYOUTS.items():
        table.add_row(name, str(len(layout)), ", ".join(layout.joints))
    print_data(table)


@dataclass(frozen=True)
class BenchConfig:
    """Measure the loop's latency or a student's accuracy; see `python -m edge bench --help`."""


def bench(_: BenchConfig) -> None:
    """Placeholder in the list of commands: ``main`` hands `bench` to its own parser."""
    raise ConfigError("bench needs a sub-command", hint="see `python -m edge bench --help`")


COMMANDS = {
    "run": Command(
        RunConfig,
        run,
        (
            "python -m edge run --source clip.mp4 --bundle bundles/everyday --sinks.video annotated.mp4",
            "python -m edge run --source 0 --bundle bundles/everyday --sinks.show",
            "python -m edge run --source clip.mp4 --bundle bundles/everyday --record poses.jsonl",
            "python -m edge run --source replay://poses.jsonl --bundle bundles/everyday --sinks.events events.jsonl",
            "python -m edge run --config configs/edge/jetson.yaml --source /dev/video0 --sinks.json people.jsonl",
        ),
    ),
    "check": Command(CheckConfig, check, ("python -m edge check --bundle bundles/everyday",)),
    "threshold": Command(
        ThresholdConfig, threshold, ("python -m edge threshold --bundle bundles/everyday --clips runs/test.npz",)
    ),
    "doctor": Command(
        DoctorConfig, doctor, ("python -m edge doctor", "python -m edge doctor --json --bundle bundles/everyday")
    ),
    "soak": Command(
        SoakConfig, soak, ("python -m edge soak --minutes 10", "python -m edge soak --minutes 480 --report soak.json")
    ),
    "demo": Command(DemoConfig, demo, ("python -m edge demo", "python -m edge demo --source 0 --show")),
    "bench": Command(
        BenchConfig,
        bench,
        ("python -m edge bench latency", "python -m edge bench accuracy --bundle bundles/everyday --clips test.npz"),
    ),
    "layouts": Command(LayoutsConfig, layouts, ("python -m edge layouts",)),
}


def main() -> None:
    if sys.argv[1:2] == ["bench"]:
        from edge.bench.commands import BENCH_COMMANDS

        run_command_line("edge bench", "Measurements of the camera loop.", BENCH_COMMANDS, sys.argv[2:])
    else:
        run_command_line("edge", "Skeleton action recognition in a camera loop.", COMMANDS)


if __name__ == "__main__":
    exit_past_threads(main)
