"""From what the user wrote to a source: ``clip.mp4``, ``frames/``, ``0``, ``csi://0``, ``rtsp://host/a``, ``-``."""

from __future__ import annotations

import os
from collections.abc import Callable

from edge.capture.address import NETWORK_SCHEMES, Address, local_path, parse, without_password
from edge.capture.camera import open_camera, open_csi
from edge.capture.image_folder import ImageFolder
from edge.capture.network_camera import open_network_camera
from edge.capture.raw_frames import RawFrames
from edge.capture.replay import Replay
from edge.capture.source import CaptureConfig, Source
from edge.capture.video_file import VideoFile
from edge.contract.errors import ConfigError, SourceError
from edge.contract.reading import wrap_read_errors


def _file(path: str, config: CaptureConfig) -> Source:
    where = local_path(path)
    with wrap_read_errors(where, SourceError, "check the path, and your rights to it"):
        return ImageFolder(where, config) if where.is_dir() else VideoFile(where, config)


SCHEMES: dict[str, Callable[[str, CaptureConfig], Source]] = {
    "file": _file,
    "replay": lambda path, config: Replay(local_path(path)),
    "v4l2": open_camera,
    "csi": open_csi,
    **dict.fromkeys(NETWORK_SCHEMES, open_network_camera),
    "-": lambda _, config: RawFrames(config),
}
"""What follows ``://`` is handed on, to network schemes the whole address. A new kind is one file and one line here."""

COMES_AS_IT_IS = ("file", "replay", *NETWORK_SCHEMES)
"""Kinds of sources of which nothing can be asked but how frames are turned and what decodes them."""


def open_source(uri: str, config: CaptureConfig | None = None) -> Source:
    """The source a URI names. A file, a folder of images or a camera may be named without a scheme.

    Raises SourceError where there is nothing to read, ConfigError for options that mean nothing there.
    """
    address = parse(uri)
    if address.scheme not in SCHEMES:
        known = ", ".join(name if name == "-" else f"{name}://" for name in SCHEMES)
        raise SourceError(
            f"unknown kind of source {address.scheme}://", where=without_password(uri), hint=f"known: {known}"
        )
    _refuse_what_cannot_be_asked(address)
    return SCHEMES[address.scheme](address.target, address.configured(config or CaptureConfig()))


def _refuse_what_cannot_be_asked(address: Address) -> None:
    asked = [name for name, _ in address.options if name in ("width", "height", "fps")]
    if address.scheme in COMES_AS_IT_IS and asked and not os.path.isdir(address.target):  # noqa: PTH112
        raise ConfigError(
            f"{asked[0]} cannot be asked of {address.scheme}://, which comes as it is",
            hint="leave it out; flip, codec and backend may follow",
        )
