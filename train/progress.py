"""Report a training's progress: a bar, or lines without a terminal, and scalars for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from lightning_fabric import Fabric
from torch.utils.tensorboard import SummaryWriter

from edge.cli.console import console
from edge.cli.progress_bar import ProgressBar
from edge.contract.files import wrap_write_errors

RESUMES = "finished epochs are kept; the same command resumes"


@contextmanager
def training_progress(
    out: Path, epochs: int, done: int, fabric: Fabric
) -> Iterator[Callable[[dict[str, float], float], None]]:
    """Show a bar of ``epochs``, ``done`` of them finished, and write TensorBoard scalars to ``out``.

    Yields a function to call after each epoch with its row of the history and the clips per second. Only the first
    process shows and writes anything.
    """
    if not fabric.is_global_zero:
        yield lambda latest, rate: None
        return
    curves = out / "tensorboard"
    with wrap_write_errors(curves):
        curves.mkdir(exist_ok=True)
        # On a full disk the writer's thread would print a traceback.
        with TemporaryFile(dir=curves, buffering=0) as probe:
            probe.write(bytes(4096))
        writer = SummaryWriter(str(curves), purge_step=done + 1)
    with ProgressBar(console) as progress:
        bar = progress.add_task(out.name, total=epochs, completed=done, status="")

        def report(latest: dict[str, float], rate: float) -> None:
            numbers = {name: value for name, value in latest.items() if name not in ("epoch", "seconds")}
            with wrap_write_errors(curves):
                for name, value in {**numbers, "clips per second": rate}.items():
                    writer.add_scalar(name, value, int(latest["epoch"]))
                writer.flush()
            line = "  ".join(f"{name} {value:.3f}" for name, value in numbers.items())
            progress.update(bar, advance=1, status=f"{line}  {rate:.0f} clips/s")

        try:
            yield report
        except KeyboardInterrupt:
            console.print(RESUMES)
            raise
    writer.close()
