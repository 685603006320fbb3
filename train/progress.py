"""How far a training is: a progress bar, and curves for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_fabric import Fabric
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from edge.cli.console import console
from edge.cli.progress_column import StatusColumn


@contextmanager
def telling(out: Path, epochs: int, done: int, fabric: Fabric) -> Iterator[Callable[[dict[str, float], float], None]]:
    """A bar of ``epochs``, of which some are done, and TensorBoard's curves in ``out``, of the first process alone.

    What is given is called after each epoch, with its row of the history and clips per second.
    """
    if not fabric.is_global_zero:
        yield lambda latest, rate: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(16), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        SummaryWriter(str(out / "tensorboard"), purge_step=done + 1) as writer,
        Progress(*columns, StatusColumn(), console=console) as progress,
    ):
        bar = progress.add_task(out.name, total=epochs, completed=done, status="")

        def tell(latest: dict[str, float], rate: float) -> None:
            numbers = {name: value for name, value in latest.items() if name not in ("epoch", "seconds")}
            for name, value in {**numbers, "clips per second": rate}.items():
                writer.add_scalar(name, value, int(latest["epoch"]))
            line = "  ".join(f"{name} {value:.3f}" for name, value in numbers.items())
            progress.update(bar, advance=1, status=f"{line}  {rate:.0f} clips/s")

        yield tell
