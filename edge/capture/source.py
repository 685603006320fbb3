"""The interface of a source: an iterator of frames that must be closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from edge.contract.errors import ConfigError
from edge.contract.intervals import require_in
from edge.contract.types import Event, Frame

Flip = Literal["none", "horizontal", "vertical", "rotate-180", "clockwise", "counterclockwise"]
FLIPS: tuple[Flip, ...] = get_args(Flip)
Backend = Literal["auto", "opencv", "gstreamer"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)


@dataclass(frozen=True)
class CaptureConfig:
    """Settings of a source. The same keys may be options of its URI: csi://0?width=1280&height=720."""

    fps: float | None = None
    """Frame rate in Hz: requested from a camera, or that of an image folder or raw frames. Unset: the camera's default,
    or 10."""
    width: int | None = None
    """Width in pixels: requested from a camera, or that of raw frames. Needs height. Unset: the camera's default."""
    height: int | None = None
    """Height in pixels: requested from a camera, or that of raw frames. Needs width."""
    flip: Flip = "none"
    """Mirror or rotate each frame: horizontal, vertical, rotate-180, clockwise, counterclockwise."""
    codec: str | None = None
    """Camera: mjpeg, yuyv, or h264 on the hardware decoder. Stream or file on it: h264 or h265. Raw frames: bgr, rgb,
    gray, i420, nv12 or yuyv."""
    backend: Backend = "auto"
    """opencv or gstreamer (a Jetson's hardware decoders). auto: chosen by source and machine."""
    stall_s: float = 5.0
    """Seconds without a frame after which a live source counts as lost and is reopened."""
    give_up_s: float = 300.0
    """Seconds after which a lost source that has not come back ends the run."""

    def __post_init__(self) -> None:
        require_in(self, fps="(0, 1000)", width="[1, 65535]", height="[1, 65535]")
        require_in(self, stall_s="(0, 3600]", give_up_s="[0, inf]")
        if (self.width is None) != (self.height is None):
            raise ConfigError("width and height must both be given")
        if self.flip not in FLIPS:
            raise ConfigError(f"flip is {self.flip!r}", hint=f"it is one of {', '.join(FLIPS)}")
        if self.backend not in BACKENDS:
            raise ConfigError(f"backend is {self.backend!r}", hint=f"it is one of {', '.join(BACKENDS)}")


class Source(Protocol):
    """Frames in capture order, with increasing times. It can be iterated once.

    uri: as the user wrote it, without passwords. fps: nominal rate in Hz. size: (width, height) in pixels.
    length_frames: None where unknown. live: frames that are not read in time are lost.
    on_event: called on the iterating thread when the source is lost and when it is back.
    cancel: ends the iteration soon, also while it waits. May be called from any thread.
    """

    uri: str
    fps: float
    size: tuple[int, int]
    length_frames: int | None
    live: bool
    on_event: Callable[[Event], None]

    def describe(self) -> str: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def cancel(self) -> None: ...

    def close(self) -> None: ...


class RecordedSource:
    """Base of sources that wait for their reader and are never lost."""

    live = False
    on_event: Callable[[Event], None] = staticmethod(lambda event: None)

    def cancel(self) -> None:
        """Do nothing; sources that may wait for a writer or a server override this."""

    def close(self) -> None:
        """Do nothing; VideoFile overrides this."""
