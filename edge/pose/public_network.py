"""Fetch trt_pose's published network as ONNX, once, and verify it by checksum.

NVIDIA's jetson-inference distributes trt_pose's ResNet-18 as ONNX, in an archive. It is not part of this project. Its
input is float planes; `python -m train pose` exports a network with uint8 input from trt_pose's own .pth.
"""

from __future__ import annotations

import errno
import hashlib
import tarfile
import urllib.request
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath

from rich.progress import wrap_file

from edge.assets import cache_folder, require_writable_cache
from edge.cli.console import console
from edge.contract.bundle import sha256_of
from edge.contract.errors import DownloadError
from edge.contract.files import atomic_write

TIMEOUT_S = 30.0
"""Without a response for so long the download has failed."""


@dataclass(frozen=True)
class PublishedNetwork:
    """A file in a .tar.gz. name: in the archive and in the cache. address: of the archive. mirror: a page with it."""

    name: str
    sha256: str
    megabytes: int
    licence: str
    address: str
    mirror: str


TRT_POSE_RESNET18 = PublishedNetwork(
    "pose_resnet18_body.onnx",
    "aad1d982f3b333836ebb0c69d5a79fb22e58141ca4e1146797ebff2f7df7d120",
    83,
    "MIT",
    # From jetson-inference's tools/download-models.sh.
    "https://nvidia.box.com/shared/static/waf8bsu58v9qh9qj3sp3wsw1nyj61xm5.gz",
    # For networks that block box.com.
    "https://github.com/dusty-nv/jetson-inference/releases/tag/model-mirror-190618",
)


def fetch_published(file: PublishedNetwork) -> Path:
    """Path of the file in the cache; it is fetched first if it is missing or damaged.

    Raises DownloadError, with instructions for a manual download, if the address does not have the file; OutputError if
    the cache cannot be written.
    """
    path = cache_folder() / file.name
    if path.is_file() and sha256_of(path) == file.sha256:
        return path
    require_writable_cache(file.name)
    console.print(f"fetching {file.name} ({file.megabytes} MB, licence {file.licence}) from {file.address}")
    content, problem = b"", "the checksum differs"
    try:
        content = _member(file)
    except (OSError, ValueError, HTTPException, tarfile.TarError, EOFError, zlib.error) as error:
        problem = str(getattr(error, "reason", None) or error)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DownloadError(
            f"{file.name} could not be fetched: {file.address}: {problem}",
            hint=f"unpack it from that archive, or from its mirror in {file.mirror}, to {path} (sha256 {file.sha256}), "
            "or give a network of your own with pose.network",
        )
    with atomic_write(path) as partial:
        partial.write_bytes(content)
    return path


def _member(file: PublishedNetwork) -> bytes:
    """The file from its archive. Raises what urllib does if the address fails, and what a damaged archive raises."""
    answer = urllib.request.urlopen(file.address, timeout=TIMEOUT_S)
    total = int(answer.headers.get("Content-Length") or file.megabytes * 1_000_000)
    shown = wrap_file(answer, total, description="fetching", console=console)
    with answer, shown as counted, tarfile.open(fileobj=counted, mode="r|gz") as archive:
        for member in archive:
            # Read, never unpacked, so the paths in the archive do not matter.
            if member.isfile() and PurePosixPath(member.name).name == file.name:
                content = archive.extractfile(member)
                assert content is not None
                return content.read()
    raise FileNotFoundError(errno.ENOENT, f"the archive contains no {file.name}")
