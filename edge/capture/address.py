"""Parse source URIs such as ``csi://0?width=1280&height=720`` or ``rtsp://host/stream#flip=rotate-180``."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from edge.capture.source import CaptureConfig
from edge.contract.errors import ConfigError
from edge.contract.passwords import IN_A_PASSWORD

NETWORK_SCHEMES = ("rtsp", "rtsps", "http", "https")
"""Their query belongs to the camera, so our options follow a ``#``, which is never sent to it."""


@dataclass(frozen=True)
class Address:
    """scheme: kind of source. target: what follows ``://``; for network schemes the whole address.

    options: keys of CaptureConfig given in the URI, with their values as text.
    """

    scheme: str
    target: str
    options: tuple[tuple[str, str], ...] = ()

    def apply_to(self, config: CaptureConfig) -> CaptureConfig:
        """``config`` overridden by the URI's options. Raises ConfigError for unknown or malformed ones."""
        types = {f.name: str(f.type) for f in fields(CaptureConfig)}
        values: dict[str, Any] = {}
        for name, text in self.options:
            if name not in types:
                raise ConfigError(f"unknown source option {name!r}", hint=f"known: {', '.join(types)}")
            kind = types[name]
            try:
                values[name] = int(text) if kind.startswith("int") else float(text) if "float" in kind else text
            except ValueError as error:
                number = "an integer" if kind.startswith("int") else "a number"
                raise ConfigError(f"source option {name}={text} is not {number}") from error
        return replace(config, **values)


def parse(uri: str) -> Address:
    """Split a source URI. Files, folders, camera numbers, /dev/video devices and ``-`` need no scheme.

    Raises ConfigError for a password with a ``#``.
    """
    scheme, separator, rest = uri.partition("://")
    scheme = scheme.lower()
    if not separator:
        rest, bare = uri, uri.partition("?")[0]
        scheme = "-" if bare == "-" else "v4l2" if bare.isdecimal() or bare.startswith("/dev/video") else "file"
    if scheme in NETWORK_SCHEMES:
        target, _, options = f"{scheme}://{rest}".partition("#")
        if "@" in options:
            raise ConfigError("options after # contain an @", hint=IN_A_PASSWORD)
    elif os.path.exists(local_path(rest)):  # noqa: PTH110 opening it reports errors, such as a name that is too long
        target, options = rest, ""  # a file name may contain a question mark
    else:
        target, _, options = rest.partition("?")
    return Address(scheme, target, tuple(parse_qsl(options, keep_blank_values=True)))


def local_path(name: str) -> Path:
    """The path with ``~`` expanded, or unchanged where there is no such user."""
    try:
        return Path(name).expanduser()
    except (RuntimeError, ValueError):
        return Path(name)
