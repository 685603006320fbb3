"""``python -m edge``: the camera loop, and what belongs to it on a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from edge.check import CheckConfig, check
from edge.command_line import Command, run_command_line
from edge.contract.errors import MissingDependency
from edge.contract.layouts import LAYOUTS
from edge.demo import DemoConfig, demo
from edge.run import RunConfig, run


@dataclass(frozen=True)
class LayoutsConfig:
    """List the joint layouts, and in which order their arrays hold the joints."""


def layouts(_: LayoutsConfig) -> None:
    table = Table("layout", "joints", "in order")
    for name, layout in LAYOUTS.items():
        table.add_row(name, str(len(layout)), ", ".join(layout.joints))
    # What was asked for is data, so it goes to stdout.
    Console().print(table)


def _with_extra(function: Callable[[Any], None]) -> Callable[[Any], None]:
    """Turns a package that is not installed into one line that says how to get it."""

    def run_it(config: Any) -> None:
        try:
            function(config)
        except ModuleNotFoundError as error:
            raise MissingDependency(
                error.name or "?", needed_for="this command", install="pip install 'skd-edge[edge]'"
            ) from error

    return run_it


COMMANDS = {
    "run": Command(
        RunConfig,
        _with_extra(run),
        "Recognise actions in a video, a folder of images or a camera.",
        (
            "python -m edge run --source clip.mp4 --bundle bundles/everyday --sinks.video annotated.mp4",
            "python -m edge run --source 0 --bundle bundles/everyday --sinks.show true",
            "python -m edge run --config configs/edge/jetson.yaml --source /dev/video0 --sinks.json people.jsonl",
        ),
    ),
    "check": Command(
        CheckConfig,
        _with_extra(check),
        "Check a bundle: checksums, and the student's answers on this machine.",
        ("python -m edge check --bundle bundles/everyday",),
    ),
    "demo": Command(
        DemoConfig,
        _with_extra(demo),
        "Run the shipped student on a public clip and write everything to a folder.",
        ("python -m edge demo", "python -m edge demo --source 0 --show true"),
    ),
    "layouts": Command(LayoutsConfig, layouts, "List the joint layouts.", ("python -m edge layouts",)),
}


def main() -> None:
    run_command_line("edge", "Skeleton action recognition in a camera loop.", COMMANDS)


if __name__ == "__main__":
    main()
