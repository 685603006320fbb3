"""Show the progress of a TensorRT build, which may take minutes, and can be interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from edge.cli.console import console


def with_progress(trt: Any, config: Any, what: str, build: Callable[[], bytes]) -> bytes:
    """Return ``build()``; show a bar for the builder's outermost phase, or a spinner before TensorRT 10.

    On Ctrl-C the build's thread is left: TensorRT cannot stop a build before version 10.
    """
    start = time.monotonic()
    if hasattr(trt, "IProgressMonitor"):
        # Its steps are of very different length, so the time that remains cannot be estimated.
        columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
        with Progress(*columns, console=console, transient=True) as bars:
            config.progress_monitor = _monitor(trt, bars, what)
            engine = build()
    else:
        with console.status(f"{what}: this takes minutes the first time"):
            engine = build()
    console.print(f"{what}: {time.monotonic() - start:.0f} s")
    return engine


def _monitor(trt: Any, bars: Progress, what: str) -> Any:
    class ProgressMonitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._bars: dict[str, Any] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                self._bars[phase_name] = bars.add_task(what, total=num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self._bars:
                bars.update(self._bars[phase_name], completed=step + 1)
            # False would cancel the build.
            return True

        def phase_finish(self, phase_name: str) -> None:
            self._bars.pop(phase_name, None)

    return ProgressMonitor()
