"""Open a source from its URI: ``clip.mp4``, ``frames/``, ``0``, ``csi://0``, ``rtsp://host/a``, ``-``."""

from __future__ import annotations

import os
from collections.abc import Callable
from urllib.parse import parse_qsl

from edge.capture.address import NETWORK_SCHEMES, Address, local_path, parse
from edge.capture.camera import open_camera, open_csi
from edge.capture.gstreamer import stream_codec
from edge.capture.image_folder import ImageFolder
from edge.capture.network_camera import is_recording, open_network_camera
from edge.capture.raw_frames import RawFrames
from edge.capture.replay import Replay
from edge.capture.source import CaptureConfig, Source
from edge.capture.video_file import VideoFile
from edge.cli.console import print_warning
from edge.contract.errors import ConfigError, SourceError
from edge.contract.reading import wrap_read_errors


def _open_file(name: str, config: CaptureConfig) -> Source:
    path = local_path(name)
    with wrap_read_errors(path, SourceError, "check the path and its permissions"):
        return ImageFolder(path, config) if path.is_dir() else VideoFile(path, config)


SCHEMES: dict[str, Callable[[str, CaptureConfig], Source]] = {
    "file": _open_file,
    "replay": lambda path, config: Replay(local_path(path)),
    "v4l2": open_camera,
    "csi": open_csi,
    **dict.fromkeys(NETWORK_SCHEMES, open_network_camera),
    "-": lambda _, config: RawFrames(config),
}
"""Each opener gets what follows ``://``; network schemes get the whole address."""

_FORMAT, _LIVE = ("fps", "width", "height"), ("flip", "stall_s", "give_up_s")
OPTIONS = {
    "file": ("flip", "codec", "backend"),
    "folder": ("fps", "flip"),
    "replay": (),
    "csi": (*_FORMAT, *_LIVE),
    **dict.fromkeys(("rtsp", "rtsps"), ("codec", "backend", *_LIVE)),
    **dict.fromkeys(("http", "https"), _LIVE),
    "recording": ("flip",),
    "-": (*_FORMAT, "codec", "flip"),
}
"""The keys of CaptureConfig that have an effect, for schemes where some have none. recording: a file over HTTP."""


def open_source(uri: str, config: CaptureConfig | None = None) -> Source:
    """The source that ``uri`` names.

    Raises SourceError where there is nothing to read, ConfigError for options that do not apply.
    """
    address = parse(uri)
    if not address.target:
        raise SourceError(f"source {uri!r} is incomplete", hint="give a file, a folder, a camera or an address")
    if address.scheme not in SCHEMES:
        known = ", ".join(name if name == "-" else f"{name}://" for name in SCHEMES)
        raise SourceError(f"unknown kind of source {address.scheme}://", where=uri, hint=f"known: {known}")
    config = address.apply_to(config or CaptureConfig())
    _check_options(address)
    return SCHEMES[address.scheme](address.target, config)


def _check_options(address: Address) -> None:
    kind = address.scheme
    if kind == "file" and os.path.isdir(local_path(address.target)):  # noqa: PTH112 a name that is too long is none
        kind = "folder"
    elif kind in NETWORK_SCHEMES and is_recording(address.target):
        kind = "recording"
    possible = OPTIONS.get(kind)
    for name, text in address.options:
        if possible is not None and name not in possible:
            hint = f"possible: {', '.join(possible)}" if possible else "a recording holds no images"
            raise ConfigError(f"{name} cannot be set for this source", hint=hint)
        if name == "codec" and address.scheme in ("file", "rtsp", "rtsps"):
            stream_codec(text)  # also where OpenCV decodes, which recognises the codec
    if address.scheme in NETWORK_SCHEMES:
        for name, _ in parse_qsl(address.target.partition("?")[2]):
            if name in ("flip", "codec", "backend", "stall_s", "give_up_s"):
                print_warning(f"the camera gets {name}, which follows a ?; to set it here, write #{name}=...")
