"""The table: each row prepares a folder and returns the command line; its name is the kind of bad input."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import tiny_bundle
import yaml

from edge.capture.pose_recording import RecordingHeader
from edge.contract.bundle import read_bundle, write_manifest

Argv = list[str | Path]
HEADER = RecordingHeader("trt_pose-18", 30.0, (64, 48)).line()


class Row(NamedTuple):
    """says: what the one line must say. needs: the machine that it is run on, a fixture of machines.py; or a laptop."""

    says: str
    prepare: Callable[[Path], Argv]
    needs: str = ""


TABLE: dict[str, Row] = {}


def add(name: str, row: Row) -> None:
    assert name not in TABLE, f"there are two rows {name}"
    TABLE[name] = row


def row(*, needs: str = "") -> Callable[[Callable[[Path], Argv]], Callable[[Path], Argv]]:
    """Add a function as a row: its docstring is what the line must say."""

    def decorate(function: Callable[[Path], Argv]) -> Callable[[Path], Argv]:
        add(function.__name__, Row(str(function.__doc__), function, needs))
        return function

    return decorate


def rows(prepare: Callable[[Path, str], Argv], lines: dict[str, str]) -> None:
    """Add a row for each text that ``prepare`` takes; text -> what the line must say."""
    for text, says in lines.items():
        add(f"{prepare.__name__}: {text}", Row(says, lambda folder, text=text: prepare(folder, text)))


def words(folder: Path, flags: str) -> Argv:
    """Flags of a command line, in which {} is the folder."""
    return [word.format(folder) for word in flags.split()]


def video(folder: Path, frames: int = 30, codec: str = "mp4v", name: str = "clip.mp4") -> Path:
    """Grey noise, in which nobody is."""
    path, rng = folder / name, np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25.0, (160, 120))
    for _ in range(frames):
        writer.write(rng.integers(90, 160, (120, 160, 3), dtype=np.uint8))
    writer.release()
    return path


def avi_with_a_damaged_frame(folder: Path) -> Path:
    """FFmpeg refuses the file, and OpenCV's own reader raises an error at the first frame."""
    path = video(folder, codec="MJPG", name="clip.avi")
    data = bytearray(path.read_bytes().replace(b"strf", b"JUNK"))
    size = data.index(b"movi00dc") + 8
    data[size : size + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    return path


def run(folder: Path, *, source: str | Path | None = None, bundle: Path | None = None, more: Argv = ()) -> Argv:
    """edge run with every output below ``folder / "out"``, on a good bundle and video unless given."""
    source, bundle, out = source or video(folder), bundle or good_bundle(folder), folder / "out"
    sinks = ("--sinks.video", out / "a.mp4", "--sinks.json", out / "a.jsonl", "--sinks.picture", out / "a.png")
    report = ("--report", out / "latency.json")
    return ["edge", "run", "--source", source, "--bundle", bundle, *sinks, *report, *more]


def run_with(folder: Path, flags: str) -> Argv:
    """The same with more flags, see words."""
    return run(folder, more=words(folder, flags))


def replayed(folder: Path, *more: str | Path, bundle: Path | None = None) -> Argv:
    """The same on poses in which nobody is: no pose network is loaded."""
    return run(folder, source=f"replay://{poses(folder, 9)}", bundle=bundle, more=[*more])


def poses(folder: Path, frames: int) -> Path:
    """A recording of the pose stage in which nobody is, which `--source replay://` takes."""
    lines = [f'{{"frame":{n},"time_s":{n},"poses":[]}}' for n in range(frames)]
    path = folder / "poses.jsonl"
    path.write_text("\n".join((HEADER, *lines)) + "\n")
    return path


def good_bundle(folder: Path) -> Path:
    return tiny_bundle.make(folder / "bundle")


def rewrite(bundle: Path, **changes: object) -> Path:
    """Change keys of bundle.yaml; a value of None removes the key."""
    path = bundle / "bundle.yaml"
    raw = yaml.safe_load(path.read_text())
    raw.update(changes)
    path.write_text(yaml.safe_dump({key: value for key, value in raw.items() if value is not None}))
    return bundle


def relist(bundle: Path) -> Path:
    """List the files of an altered bundle anew, so that its checksums are right."""
    write_manifest(bundle, read_bundle(bundle).manifest)
    return bundle
