"""``python -m edge demo``: run the shipped bundle on a public clip, with all outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.assets import DEMO_CLIP, fetch
from edge.contract.bundle import read_bundle
from edge.loop.config import RunConfig
from edge.run import run
from edge.sinks.config import SinkConfig


@dataclass(frozen=True)
class DemoConfig:
    """Run the shipped student on a public clip and write everything to a folder."""

    source: str | None = None
    """Video, folder of images or camera. Unset: a clip of a man doing jumping jacks and a woman walking, downloaded
    once."""
    bundle: Path = Path("bundles/everyday")
    """Bundle folder with the trained student."""
    out: Path = Path("runs/demo")
    """Folder for annotated.mp4, people.jsonl, best.png and latency.json."""
    frames: int | None = None
    """Stop after this many frames."""
    show: bool = False
    """Also show a window; press q or close it to end the run."""


def demo(config: DemoConfig) -> None:
    """See :func:`edge.run.run`."""
    read_bundle(config.bundle)  # fail before the download
    source = config.source or str(fetch(DEMO_CLIP)[0])
    out = config.out
    sinks = SinkConfig(
        video=out / "annotated.mp4", json=out / "people.jsonl", picture=out / "best.png", show=config.show
    )
    run(RunConfig(source, config.bundle, sinks=sinks, frames=config.frames, report=out / "latency.json"))
