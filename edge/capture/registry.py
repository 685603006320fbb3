"""From what the user wrote to a source: ``clip.mp4``, ``frames/``, ``0``, ``/dev/video0``, ``v4l2:///dev/video0``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.capture.camera import Camera
from edge.capture.image_folder import ImageFolder
from edge.capture.replay import Replay
from edge.capture.source import CaptureConfig, Source
from edge.capture.video_file import VideoFile
from edge.contract.errors import SourceError


def _file(path: str, config: CaptureConfig) -> Source:
    where = Path(path).expanduser()
    return ImageFolder(where, fps=config.fps) if where.is_dir() else VideoFile(where)


SCHEMES: dict[str, Callable[[str, CaptureConfig], Source]] = {
    "file": _file,
    "replay": lambda path, config: Replay(Path(path).expanduser()),
    "v4l2": Camera,
}
"""What follows ``://`` is handed on. A new kind of source is one file and one line here."""


def open_source(uri: str, config: CaptureConfig | None = None) -> Source:
    """The source a URI names. A file, a folder of images or a camera may be named without a scheme.

    Raises SourceError where there is nothing to read.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        scheme, rest = ("v4l2" if uri.isdecimal() or uri.startswith("/dev/video") else "file"), uri
    if scheme not in SCHEMES:
        raise SourceError(f"unknown kind of source {scheme}://", where=uri, hint=f"known: {', '.join(SCHEMES)}")
    return SCHEMES[scheme](rest, config or CaptureConfig())
