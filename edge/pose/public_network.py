"""trt_pose's published network, ready as ONNX: fetched once, by checksum.

NVIDIA's jetson-inference distributes the network of trt_pose's ResNet-18 as ONNX, in an archive. It is not part of this
project. It takes planes of floats: `python -m train pose` makes one that takes a camera's bytes of trt_pose's own .pth.
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

from edge.assets import cache_folder
from edge.cli.console import console
from edge.contract.bundle import sha256_of, sha256_of_stream
from edge.contract.errors import DownloadError
from edge.contract.files import atomic_write, temporary_folder

TIMEOUT_S = 30.0
"""A server that says nothing for so long is given up."""


@dataclass(frozen=True)
class Published:
    """A file in a .tar.gz behind addresses that are tried in turn. name: the file's, there and in the cache."""

    name: str
    sha256: str
    megabytes: int
    licence: str
    addresses: tuple[str, ...]


TRT_POSE_RESNET18 = Published(
    "pose_resnet18_body.onnx",
    "aad1d982f3b333836ebb0c69d5a79fb22e58141ca4e1146797ebff2f7df7d120",
    83,
    "MIT",
    # Where jetson-inference's own tools/download-models.sh fetches it from.
    ("https://nvidia.box.com/shared/static/waf8bsu58v9qh9qj3sp3wsw1nyj61xm5.gz",),
)


def fetch_published(file: Published) -> Path:
    """Its path in the cache, after it was fetched if it was missing or damaged there.

    Raises DownloadError, with what to put where by hand, where no address has it or what they have is something
    else; OutputError if the cache cannot be written.
    """
    path = cache_folder() / file.name
    if path.is_file() and sha256_of(path) == file.sha256:
        return path
    reasons = []
    for address in file.addresses:
        console.print(f"fetching {file.name} ({file.megabytes} MB, licence {file.licence}) from {address}")
        with temporary_folder() as folder, tempfile.TemporaryFile(dir=folder) as taken:
            try:
                _download(address, file.name, taken)
            except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
                reasons.append(f"{address}: {getattr(error, 'reason', None) or error}")
                continue
            if sha256_of_stream(taken) != file.sha256:
                reasons.append(f"{address}: another file than expected")
                continue
            taken.seek(0)
            with atomic_write(path) as partial, partial.open("wb") as out:
                shutil.copyfileobj(taken, out)
            return path
    raise DownloadError(
        f"{file.name} could not be fetched: {'; '.join(reasons)}",
        hint=f"put it there by hand as {path} (sha256 {file.sha256}), or name a network of your own with pose.network",
    )


def _download(address: str, name: str, out: IO[bytes]) -> None:
    """The archive's member of that name, into a file that is then at its beginning.

    Raises OSError for an address that does not answer, and what a damaged archive raises.
    """
    with tempfile.TemporaryFile() as archive:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            shutil.copyfileobj(answer, archive)
        archive.seek(0)
        with tarfile.open(fileobj=archive, mode="r:gz") as members:
            # Only read, never unpacked: where its paths lead does not matter.
            member = next((m for m in members if m.isfile() and PurePosixPath(m.name).name == name), None)
            content = None if member is None else members.extractfile(member)
            if content is None:
                raise FileNotFoundError(errno.ENOENT, f"the archive holds no {name}")
            shutil.copyfileobj(content, out)
    out.seek(0)
