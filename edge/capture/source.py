"""The interface of a source: an iterator of frames that must be closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from edge.contract.errors import ConfigError
from edge.contract.types import Event, Frame

Flip = Literal["none", "horizontal", "vertical", "rotate-180", "clockwise", "counterclockwise"]
FLIPS: tuple[Flip, ...] = get_args(Flip)
Backend = Literal["auto", "opencv", "gstreamer"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
MAX_STALL_S = 3600
MAX_SIDE = 65_535


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
    """Camera: mjpeg, yuyv or h264. Stream or file on the hardware decoder: h264 or h265. Raw frames: bgr, rgb, gray,
    i420, nv12 or yuyv."""
    backend: Backend = "auto"
    """opencv or gstreamer (a Jetson's hardware decoders). auto: chosen by source and machine."""
    stall_s: float = 5.0
    """Seconds without a frame after which a live source counts as lost and is reopened."""
    give_up_s: float = 300.0
    """Seconds after which a lost source that has not come back ends the run."""

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < 1000:
            raise ConfigError(f"capture.fps is {self.fps}", hint="give a rate above 0 and below 1000, in Hz")
        sides = [side for side in (self.width, self.height) if side is not None]
        if len(sides) == 1 or not all(1 <= side <= MAX_SIDE for side in sides):
            raise ConfigError(f"capture.width and capture.height must both be given, and be from 1 to {MAX_SIDE}")
        if self.flip not in FLIPS:
            raise ConfigError(f"capture.flip is {self.flip!r}", hint=f"it is one of {', '.join(FLIPS)}")
        if self.backend not in BACKENDS:
            raise ConfigError(f"capture.backend is {self.backend!r}", hint=f"it is one of {', '.join(BACKENDS)}")
        if not 0 < self.stall_s <= MAX_STALL_S:
            raise ConfigError(f"capture.stall_s is {self.stall_s}", hint=f"give more than 0 and at most {MAX_STALL_S}")
        if not self.give_up_s >= 0:
            raise ConfigError(f"capture.give_up_s is {self.give_up_s}", hint="give 0 or more seconds")


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
