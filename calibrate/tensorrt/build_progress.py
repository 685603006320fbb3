"""Show the progress of a TensorRT build, which may take minutes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import Progress

from edge.cli.console import console


@contextmanager
def progress(trt: Any, config: Any, what: str) -> Iterator[None]:
    """From TensorRT 10 on, a bar for the builder's outermost phase, and Ctrl-C cancels the build; before, a spinner.

    Raises KeyboardInterrupt if the user cancelled, whatever the builder returned.
    """
    start = time.monotonic()
    if not hasattr(trt, "IProgressMonitor"):
        with console.status(f"{what}: this takes minutes the first time"):
            yield
    else:
        with Progress(console=console, transient=True) as bars, _on_interrupt() as stop:
            config.progress_monitor = _monitor(trt, bars, what, stop)
            try:
                yield
            finally:
                config.progress_monitor = None
                if stop.is_set():
                    raise KeyboardInterrupt
    console.print(f"{what}: {time.monotonic() - start:.0f} s")


@contextmanager
def _on_interrupt() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, because TensorRT cannot handle an exception raised in its callbacks."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = signal.signal(signal.SIGINT, lambda number, frame: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


def _monitor(trt: Any, bars: Progress, what: str, stop: threading.Event) -> Any:
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
            # False asks TensorRT to cancel the build.
            return not stop.is_set()

        def phase_finish(self, phase_name: str) -> None:
            self._bars.pop(phase_name, None)

    return ProgressMonitor()
