"""What a user writes for a source, taken apart: ``csi://0?width=1280&height=720``, ``rtsp://host/stream#flip=rotate-180``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from urllib.parse import parse_qsl

from edge.capture.source import CaptureConfig
from edge.contract.errors import ConfigError

NETWORK_SCHEMES = ("rtsp", "rtsps", "http", "https")
"""Their addresses are the camera's own, query included; what is meant for us follows a ``#``, which no camera sees."""

_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/?#]*@")
_PASSWORD_OPTION = re.compile(r"([/?&](?:passw?d?|password|pwd|token)=)[^&#]+", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """scheme: kind of source. target: what follows ``://``, for network schemes the whole address.

    options: the keys of CaptureConfig given with the address.
    """

    scheme: str
    target: str
    options: tuple[tuple[str, str], ...] = ()

    def configured(self, config: CaptureConfig) -> CaptureConfig:
        """``config`` with the address's own options, which win. Raises ConfigError for those that mean nothing."""
        kinds = {f.name: str(f.type) for f in fields(CaptureConfig)}
        values: dict[str, object] = {}
        for name, text in self.options:
            if name not in kinds:
                raise ConfigError(f"unknown option {name!r} of a source", hint=f"known: {', '.join(kinds)}")
            try:
                kind = kinds[name]
                values[name] = int(text) if kind.startswith("int") else float(text) if "float" in kind else text
            except ValueError as error:
                raise ConfigError(f"option {name}={text} of a source is no number") from error
        return replace(config, **values)  # type: ignore[arg-type]


def parse(uri: str) -> Address:
    """A file, a folder, a camera's number or device and ``-`` may be named without a scheme."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        rest, bare = uri, uri.partition("?")[0]
        scheme = "-" if bare == "-" else "v4l2" if bare.isdecimal() or bare.startswith("/dev/video") else "file"
    if scheme in NETWORK_SCHEMES:
        target, _, options = uri.partition("#")
    elif os.path.exists(local_path(rest)):  # noqa: PTH110 whatever is wrong with it is told by who opens it
        target, options = rest, ""  # a file may have a question mark in its name
    else:
        target, _, options = rest.partition("?")
    return Address(scheme, target, tuple(parse_qsl(options, keep_blank_values=True)))


def local_path(name: str) -> Path:
    """The file of that name, ``~`` being the user's home; taken as it stands where there is no such user."""
    try:
        return Path(name).expanduser()
    except (RuntimeError, ValueError):
        return Path(name)


def without_password(uri: str) -> str:
    """For people and files: ``rtsp://admin:secret@host/`` becomes ``rtsp://admin:***@host/``, as does an option's."""
    return _PASSWORD_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***@", uri))
