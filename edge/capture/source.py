"""What every source is: an iterator of frames that must be closed."""

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


@dataclass(frozen=True)
class CaptureConfig:
    """What is asked of a source that leaves the choice. The same keys may follow an address: csi://0?width=1280."""

    fps: float | None = None
    """Frame rate, in Hz: asked of a camera, or that of a folder of images or raw frames. Unset: its own, or 10."""
    width: int | None = None
    """Width in pixels: asked of a camera, or that of raw frames; give the height too. Unset: the camera's own."""
    height: int | None = None
    """Height in pixels: asked of a camera, or that of raw frames."""
    flip: Flip = "none"
    """Turn each frame: horizontal, vertical, rotate-180, clockwise, counterclockwise."""
    codec: str | None = None
    """For a camera mjpeg, yuyv or h264; for a stream or file h264 or h265, to use the hardware decoder; for raw frames
    bgr, rgb, gray, i420, nv12 or yuyv."""
    backend: Backend = "auto"
    """Reader: gstreamer (with a Jetson's hardware decoders) or opencv. auto: what fits source and machine."""
    stall_s: float = 5.0
    """Seconds without a frame after which a live source counts as lost and is reopened."""
    give_up_s: float = 300.0
    """Seconds after which a lost source that has not come back ends the run."""

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < 1000:
            raise ConfigError(f"capture.fps is {self.fps}", hint="give a rate above 0, in Hz")
        sides = [side for side in (self.width, self.height) if side is not None]
        if len(sides) == 1 or min(sides, default=1) < 1:
            raise ConfigError("capture.width and capture.height go together and start at 1")
        if self.flip not in FLIPS:
            raise ConfigError(f"capture.flip is {self.flip!r}", hint=f"it is one of {', '.join(FLIPS)}")
        if self.backend not in BACKENDS:
            raise ConfigError(f"capture.backend is {self.backend!r}", hint=f"it is one of {', '.join(BACKENDS)}")
        if not 0 < self.stall_s <= MAX_STALL_S or not self.give_up_s >= 0:
            raise ConfigError(f"capture.stall_s is above 0 and at most {MAX_STALL_S}, give_up_s starts at 0")


class Source(Protocol):
    """Frames in the order they were taken, with times that rise. One pass only.

    uri: as the user wrote it, without a password. fps: nominal rate in Hz. size: (width, height) in pixels.
    length_frames: None where it is not known beforehand.
    live: the world does not wait; what is not read in time is lost.
    on_event: called, on the thread that iterates, when the source is lost and when it is back.
    cancel: from any thread: end the iteration soon, also where it waits for a lost source.
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


def ignore_event(event: Event) -> None:
    """For a source that nobody listens to."""


class RecordedSource:
    """What recordings have in common: they wait for whoever reads them, and are never lost."""

    live = False
    on_event: Callable[[Event], None] = staticmethod(ignore_event)

    def cancel(self) -> None:
        """Nothing to do: a recording never waits."""
