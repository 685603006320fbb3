"""Videos, folders, cameras and streams."""

import os
from pathlib import Path

import cv2
import numpy as np
from bad_input.table import Argv, avi_with_a_damaged_frame, row, rows, run, run_with, video


def opened(folder: Path, source: str) -> Argv:
    """source: {} is the folder."""
    return run(folder, source=source.format(folder))


rows(
    opened,
    {
        "{}/nowhere.mp4": "no such file or folder; check the path",
        "http://127.0.0.1:1/x.mp4": "x.mp4: not a readable video; check that the address can be reached",
        "/dev/video97": "/dev/video97: no frame received; there is",
        "rtmp://host/stream": "unknown kind of source rtmp://; known: file://",
        "/dev/video97?widht=640&height=480": "unknown source option 'widht'; known: fps, width",
        "/dev/video97?fps=fast": "source option fps=fast is not a number",
        "file://{}/nowhere.mp4?fps=10": "fps cannot be set for this source; possible: flip, codec, backend",
        "csi://0": "needs GStreamer, but OpenCV",
        "csi://front": "csi://front is not a camera number; give one: csi://0",
        "-": "raw frames need a size; give it with the source: '-?width=640&height=480&fps=30'",
        f"-?width={10**30}&height=48": "; give a number in [1, 65535]",
        "-?width=64&height=48&codec=jpeg": "unknown codec 'jpeg' for raw frames; known: bgr, rgb",
        "-?width=63&height=48&codec=yuyv": "yuyv needs an even size, not 63x48",
        "~nobody-of-this-name/clip.mp4": "~nobody-of-this-name/clip.mp4: no such file or folder",
        "v4l2://": "source 'v4l2://' is incomplete; give a file, a folder, a camera or an address",
        "rtsp:///stream": "rtsp:///stream: not a valid address; give rtsp://user:password@host:554/path",
        "rtsp://[::1/stream": "rtsp://[::1/stream: not a valid address; give",
    },
)
rows(
    run_with,
    {
        "--capture.fps 0": "capture: fps is 0.0; give a number in (0, 1000)",
        "--capture.width 640": "capture: width and height must both be given",
    },
)


@row()
def a_video_of_random_bytes(folder: Path) -> Argv:
    """clip.mp4: not a readable video"""
    (folder / "clip.mp4").write_bytes(np.random.default_rng(0).bytes(40_000))
    return opened(folder, "{}/clip.mp4")


@row()
def a_video_of_which_the_end_is_missing(folder: Path) -> Argv:
    """clip.mp4: not a readable video"""
    path = video(folder)
    path.write_bytes(path.read_bytes()[:-2000])
    return run(folder, source=path)


@row(needs="blazepose_files")
def a_video_that_breaks_off_while_it_is_read(folder: Path) -> Argv:
    """the video is truncated"""
    path = video(folder, frames=80, codec="MJPG", name="clip.avi")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 4])
    return run(folder, source=path)


@row()
def a_video_of_which_only_opencv_finds_the_frames(folder: Path) -> Argv:
    """clip.avi: the video has no frames; it is damaged"""
    return run(folder, source=avi_with_a_damaged_frame(folder))


@row(needs="blazepose_files")
def a_video_with_nobody_in_it(folder: Path) -> Argv:
    """clip.mp4: no person in view in 30 frames; give a recording"""
    return run(folder)


@row()
def a_file_that_is_a_pipe(folder: Path) -> Argv:
    """clip.mp4: not a regular file; check the path"""
    os.mkfifo(folder / "clip.mp4")
    return opened(folder, "{}/clip.mp4")


def frames(folder: Path) -> Path:
    (folder / "frames").mkdir()
    return folder / "frames"


@row()
def a_folder_without_images(folder: Path) -> Argv:
    """no images in this folder"""
    return run(folder, source=frames(folder))


@row()
def an_image_that_is_none(folder: Path) -> Argv:
    """1.png: not a readable image; remove it"""
    (frames(folder) / "1.png").write_bytes(b"PNG")
    return opened(folder, "{}/frames")


@row()
def an_image_that_is_a_pipe(folder: Path) -> Argv:
    """1.png: not a readable image; remove it"""
    os.mkfifo(frames(folder) / "1.png")
    return opened(folder, "{}/frames")


@row(needs="blazepose_files")
def images_of_two_sizes(folder: Path) -> Argv:
    """2.png: 64x48, but the first image is 160x120"""
    place = frames(folder)
    for name, size in (("1.png", (120, 160, 3)), ("2.png", (48, 64, 3))):
        cv2.imwrite(str(place / name), np.full(size, 128, np.uint8))
    return run(folder, source=place)


@row()
def a_source_of_too_long_a_name(folder: Path) -> Argv:
    """cannot be read: File name too long; check the path"""
    return run(folder, source=folder / ("s" * 300))
