"""Fetch trt_pose's published network as ONNX, once, and verify it by checksum.

NVIDIA's jetson-inference distributes trt_pose's ResNet-18 as ONNX, in an archive. It is not part of this project. Its
input is float planes; `python -m train pose` exports a network with uint8 input from trt_pose's own .pth.
"""

from __future__ import annotations

import errno
import shutil
import tarfile
import tempfile
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from edge.assets import cache_folder, require_writable_cache
from edge.cli.console import console
from edge.contract.bundle import sha256_of, sha256_of_stream
from edge.contract.errors import DownloadError
from edge.contract.files import atomic_write, temporary_folder

TIMEOUT_S = 30.0
"""Without a response for so long the next address is tried."""


@dataclass(frozen=True)
class PublishedNetwork:
    """A file in a .tar.gz. name: in the archive and in the cache. addresses: of the archive, tried in order."""

    name: str
    sha256: str
    megabytes: int
    licence: str
    addresses: tuple[str, ...]


TRT_POSE_RESNET18 = PublishedNetwork(
    "pose_resnet18_body.onnx",
    "aad1d982f3b333836ebb0c69d5a79fb22e58141ca4e1146797ebff2f7df7d120",
    83,
    "MIT",
    # From jetson-inference's tools/download-models.sh.
    ("https://nvidia.box.com/shared/static/waf8bsu58v9qh9qj3sp3wsw1nyj61xm5.gz",),
)


def fetch_published(file: PublishedNetwork) -> Path:
    """Path of the file in the cache; it is fetched first if it is missing or damaged.

    Raises DownloadError, with instructions for a manual download, if no address has the file; OutputError if the cache
    cannot be written.
    """
    path = cache_folder() / file.name
    if path.is_file() and sha256_of(path) == file.sha256:
        return path
    require_writable_cache(file.name)
    reasons = []
    for address in file.addresses:
        console.print(f"fetching {file.name} ({file.megabytes} MB, licence {file.licence}) from {address}")
        with temporary_folder() as folder, tempfile.TemporaryFile(dir=folder) as download:
            try:
                _download(address, file.name, download)
            except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
                reasons.append(f"{address}: {getattr(error, 'reason', None) or error}")
                continue
            if sha256_of_stream(download) != file.sha256:
                reasons.append(f"{address}: the checksum differs")
                continue
            download.seek(0)
            with atomic_write(path) as partial, partial.open("wb") as out:
                shutil.copyfileobj(download, out)
            return path
    raise DownloadError(
        f"{file.name} could not be fetched: {'; '.join(reasons)}",
        hint=f"download it to {path} (sha256 {file.sha256}), or give a network of your own with pose.network",
    )


def _download(address: str, name: str, out: IO[bytes]) -> None:
    """Write the archive's member of that name to a file, and rewind the file.

    Raises OSError if the address does not respond, and what a damaged archive raises.
    """
    with tempfile.TemporaryFile() as archive:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            shutil.copyfileobj(answer, archive)
        archive.seek(0)
        with tarfile.open(fileobj=archive, mode="r:gz") as members:
            # Read, never unpacked, so the paths in the archive do not matter.
            member = next((m for m in members if m.isfile() and PurePosixPath(m.name).name == name), None)
            content = None if member is None else members.extractfile(member)
            if content is None:
                raise FileNotFoundError(errno.ENOENT, f"the archive contains no {name}")
            shutil.copyfileobj(content, out)
    out.seek(0)
