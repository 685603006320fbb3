"""Where results go."""

import resource
from pathlib import Path

from bad_input.table import Argv, replayed, row, rows, run, run_with

ABSENT_NETWORK = "--pose.name trt_pose --pose.network absent.onnx"
"""Outputs are refused before it is missed: loading networks takes seconds."""


def written(folder: Path, flags: str) -> Argv:
    return run_with(folder, f"{ABSENT_NETWORK} {flags}")


rows(
    written,
    {
        "--sinks.codec zzzz": "OpenCV cannot encode zzzz here",
        "--sinks.show true": "there is no screen to show a window on",
        "--sinks.video {}/out/a.txt": "a.txt is not a video format; use the suffix .mp4",
        "--sinks.picture {}/out/b.mp4": "b.mp4 is not an image format; use the suffix .png",
        "--sinks.page here": "sinks.page is 'here'; give a port, or host:port: 8080, 0.0.0.0:8080",
        "--sinks.page 192.0.2.1:8080": "192.0.2.1:8080: the live page cannot listen",
        "--sinks.mqtt mqtt://": "sinks.mqtt has no broker; give mqtt://host",
        "--sinks.mqtt mqtt://[::1/topic": "sinks.mqtt has no broker; give mqtt://host",
        "--sinks.mqtt mqtt://h/rooms/+": "sinks.mqtt has a topic that cannot be published to; leave out + # and ?",
        "--sinks.page 0.0.0.0:0 --sinks.page_token=": "sinks.page_token is empty or has invalid characters",
        "--report {}/out/a.jsonl": "two outputs have the same name",
        "--sinks.json -": "there is no output to stdout; give a file name instead of -",
    },
)


@row()
def an_output_folder_that_is_a_file(folder: Path) -> Argv:
    """cannot be written: File exists"""
    (folder / "out").write_text("")
    return written(folder, "")


@row()
def an_output_that_is_a_folder(folder: Path) -> Argv:
    """a.jsonl: cannot be written: it is a folder"""
    (folder / "out" / "a.jsonl").mkdir(parents=True)
    return written(folder, "")


@row(needs="blazepose_files")
def a_disk_that_is_full(folder: Path) -> Argv:
    """cannot be written: File too large"""
    argv = run(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return argv


@row(needs="python_without_paho")
def a_broker_without_its_client(folder: Path) -> Argv:
    """sinks.mqtt needs the package paho-mqtt; install it with: pip install 'skd-edge[mqtt]'"""
    return written(folder, "--sinks.mqtt mqtt://127.0.0.1")


@row(needs="opencv_without_windows")
def a_window_that_opencv_cannot_make(folder: Path) -> Argv:
    """OpenCV was built without windows; run without a window; edge run --sinks.page 8080"""
    return replayed(folder, "--sinks.show", "true")


@row(needs="screen_that_is_not_there")
def a_window_on_a_screen_that_does_not_answer(folder: Path) -> Argv:
    """no window can be shown on this screen:"""
    return replayed(folder, "--sinks.show", "true")


@row()
def an_output_of_too_long_a_name(folder: Path) -> Argv:
    """cannot be written: File name too long; choose another path"""
    return replayed(folder, "--sinks.events", folder / ("s" * 300))
