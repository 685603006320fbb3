"""Where results go, by the keys of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.capture.source import Source
from edge.contract.layouts import JointLayout
from edge.sinks.sink import Sink

if TYPE_CHECKING:
    from edge.overlay import Overlay  # brings OpenCV along


@dataclass(frozen=True)
class SinkConfig:
    """Where results go. Files appear whole, when the run ends."""

    video: Path | None = None
    """Annotated video to write, for instance annotated.mp4."""
    json: Path | None = None
    """File to write with one JSON object a frame and line: people, keypoints in pixels, actions, milliseconds."""
    picture: Path | None = None
    """Annotated picture of the best moment to write, .png or .jpg."""
    show: bool = False
    """Show a window; q ends the run."""
    codec: str | None = None
    """Four letters of the video's codec; mp4v takes least CPU. Unset: avc1 (H.264) where OpenCV has it, else mp4v."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that will be written."""
        return tuple(path for path in (self.video, self.json, self.picture) if path is not None)

    @property
    def draws_every_frame(self) -> bool:
        return self.video is not None or self.show


@contextmanager
def open_sinks(config: SinkConfig, source: Source, layout: JointLayout, overlay: Overlay) -> Iterator[list[Sink]]:
    """The configured sinks. A new one is one file and two lines here. Raises what opening them raises."""
    # OpenCV alone is what these need, and a run that only counts needs none of them.
    from edge.sinks.json_lines import json_lines_sink
    from edge.sinks.picture import picture_sink
    from edge.sinks.video import video_sink
    from edge.sinks.window import window_sink

    with ExitStack() as stack:
        sinks: list[Sink] = []
        if config.show:
            sinks.append(stack.enter_context(window_sink(overlay)))
        if config.video is not None:
            size, fps = source.size, source.fps
            sinks.append(stack.enter_context(video_sink(config.video, overlay, fps=fps, size=size, codec=config.codec)))
        if config.json is not None:
            sinks.append(stack.enter_context(json_lines_sink(config.json, layout)))
        if config.picture is not None:
            sinks.append(stack.enter_context(picture_sink(config.picture, overlay)))
        yield sinks
