"""Videos, folders, cameras, streams and recordings of poses."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
from bad_input.table import HEADER, Argv, avi_with_a_damaged_frame, poses, row, run, video


@row()
def a_video_that_is_not_there(folder: Path) -> Argv:
    """no such file or folder; check the path"""
    return run(folder, source=folder / "nowhere.mp4")


@row()
def a_video_behind_an_address_where_nobody_answers(folder: Path) -> Argv:
    """x.mp4: not a readable video; check that the address can be reached"""
    return run(folder, source="http://127.0.0.1:1/x.mp4")


@row()
def a_video_of_random_bytes(folder: Path) -> Argv:
    """clip.mp4: not a readable video"""
    (folder / "clip.mp4").write_bytes(np.random.default_rng(0).bytes(40_000))
    return run(folder, source=folder / "clip.mp4")


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
def a_folder_without_images(folder: Path) -> Argv:
    """no images in this folder"""
    (folder / "frames").mkdir()
    return run(folder, source=folder / "frames")


@row()
def a_camera_that_is_not_there(folder: Path) -> Argv:
    """/dev/video97: no frame received; there is"""
    return run(folder, source="/dev/video97")


@row()
def a_kind_of_source_that_is_not_known(folder: Path) -> Argv:
    """unknown kind of source rtmp://; known: file://"""
    return run(folder, source="rtmp://host/stream")


@row()
def a_rate_of_zero(folder: Path) -> Argv:
    """capture: fps is 0.0; give a number in (0, 1000)"""
    return run(folder, more=["--capture.fps", "0"])


@row()
def a_width_without_a_height(folder: Path) -> Argv:
    """capture: width and height must both be given"""
    return run(folder, more=["--capture.width", "640"])


@row()
def an_option_of_a_camera_that_is_misspelt(folder: Path) -> Argv:
    """unknown source option 'widht'; known: fps, width"""
    return run(folder, source="/dev/video97?widht=640&height=480")


@row()
def an_option_of_a_camera_that_is_no_number(folder: Path) -> Argv:
    """source option fps=fast is not a number"""
    return run(folder, source="/dev/video97?fps=fast")


@row()
def a_rate_asked_of_a_recording(folder: Path) -> Argv:
    """fps cannot be set for this source; possible: flip, codec, backend"""
    return run(folder, source=f"file://{folder / 'nowhere.mp4'}?fps=10")


@row()
def a_csi_camera_without_gstreamer(folder: Path) -> Argv:
    """needs GStreamer, but OpenCV"""
    return run(folder, source="csi://0")


@row()
def a_csi_camera_without_its_number(folder: Path) -> Argv:
    """csi://front is not a camera number; give one: csi://0"""
    return run(folder, source="csi://front")


@row()
def raw_frames_without_a_size(folder: Path) -> Argv:
    """raw frames need a size; give it with the source: '-?width=640&height=480&fps=30'"""
    return run(folder, source="-")


@row()
def an_image_that_is_none(folder: Path) -> Argv:
    """1.png: not a readable image; remove it"""
    (folder / "frames").mkdir()
    (folder / "frames" / "1.png").write_bytes(b"PNG")
    return run(folder, source=folder / "frames")


@row(needs="blazepose_files")
def images_of_two_sizes(folder: Path) -> Argv:
    """2.png: 64x48, but the first image is 160x120"""
    (folder / "frames").mkdir()
    for name, size in (("1.png", (120, 160, 3)), ("2.png", (48, 64, 3))):
        cv2.imwrite(str(folder / "frames" / name), np.full(size, 128, np.uint8))
    return run(folder, source=folder / "frames")


def recording(folder: Path, text: str) -> Argv:
    (folder / "poses.jsonl").write_text(text)
    return run(folder, source=f"replay://{folder / 'poses.jsonl'}")


@row()
def a_recording_of_poses_that_is_none(folder: Path) -> Argv:
    """poses.jsonl: not a recording of poses: its first line has no format"""
    return recording(folder, "{}\n")


@row()
def a_recording_of_poses_of_a_later_release(folder: Path) -> Argv:
    """this recording has format version 2, this release reads 1"""
    return recording(folder, HEADER.replace('"version": 1', '"version": 2') + "\n")


@row()
def a_recording_of_poses_that_breaks_off(folder: Path) -> Argv:
    """line 10: the recording is truncated; copy or record it again"""
    return recording(folder, poses(folder, 9).read_text()[:-1])


@row()
def raw_frames_that_no_memory_holds(folder: Path) -> Argv:
    """; give a number in [1, 65535]"""
    return run(folder, source=f"-?width={10**30}&height=48")


@row()
def raw_frames_of_a_kind_that_is_not_known(folder: Path) -> Argv:
    """unknown codec 'jpeg' for raw frames; known: bgr, rgb"""
    return run(folder, source="-?width=64&height=48&codec=jpeg")


@row()
def a_recording_of_poses_without_a_frame(folder: Path) -> Argv:
    """poses.jsonl: the recording has no frames; copy or record it again"""
    return recording(folder, HEADER + "\n")


@row()
def a_recording_of_poses_with_a_frame_twice(folder: Path) -> Argv:
    """line 3: frame does not increase"""
    first, second = (f'{{"frame":1,"time_s":{time_s},"poses":[]}}' for time_s in (0, 1))
    return recording(folder, "\n".join((HEADER, first, second, "")))


@row()
def a_recording_of_poses_with_a_score_that_is_no_number(folder: Path) -> Argv:
    """line 2: keypoints or scores are not finite"""
    pose = {"score": float("nan"), "keypoints": [[1, 1, 1]] * 18}
    return recording(folder, f"{HEADER}\n{json.dumps({'frame': 0, 'time_s': 0, 'poses': [pose]})}\n")


@row()
def a_recording_of_poses_in_too_large_images(folder: Path) -> Argv:
    """not a recording of poses: unknown layout or invalid size in its first line"""
    return recording(folder, HEADER.replace("[64, 48]", "[64, 10000000000]") + "\n")


@row()
def a_recording_of_poses_of_no_rate(folder: Path) -> Argv:
    """not a recording of poses: fps is inf"""
    return recording(folder, HEADER.replace("30.0", "Infinity") + "\n")


@row()
def a_recording_of_poses_with_a_line_of_brackets(folder: Path) -> Argv:
    """line 2: maximum recursion depth exceeded"""
    return recording(folder, HEADER + "\n" + "[" * 100_000 + "\n")


@row()
def an_image_that_is_a_pipe(folder: Path) -> Argv:
    """1.png: not a readable image; remove it"""
    (folder / "frames").mkdir()
    os.mkfifo(folder / "frames" / "1.png")
    return run(folder, source=folder / "frames")


@row()
def a_source_of_a_user_who_is_not_there(folder: Path) -> Argv:
    """~nobody-of-this-name/clip.mp4: no such file or folder"""
    return run(folder, source="~nobody-of-this-name/clip.mp4")


@row()
def raw_frames_whose_pixels_go_in_pairs_of_an_odd_width(folder: Path) -> Argv:
    """yuyv needs an even size, not 63x48"""
    return run(folder, source="-?width=63&height=48&codec=yuyv")


@row()
def a_source_of_too_long_a_name(folder: Path) -> Argv:
    """cannot be read: File name too long; check the path"""
    return run(folder, source=folder / ("s" * 300))


@row()
def a_recording_of_too_long_a_name(folder: Path) -> Argv:
    """cannot be read: File name too long; check its permissions"""
    return run(folder, source=f"replay://{folder / ('s' * 300)}")


@row()
def a_source_of_a_scheme_alone(folder: Path) -> Argv:
    """source 'v4l2://' is incomplete; give a file, a folder, a camera or an address"""
    return run(folder, source="v4l2://")


@row()
def a_file_that_is_a_pipe(folder: Path) -> Argv:
    """clip.mp4: not a regular file; check the path"""
    os.mkfifo(folder / "clip.mp4")
    return run(folder, source=folder / "clip.mp4")


@row()
def an_address_without_a_host(folder: Path) -> Argv:
    """rtsp:///stream: not a valid address; give rtsp://user:password@host:554/path"""
    return run(folder, source="rtsp:///stream")


@row()
def an_address_that_cannot_be_taken_apart(folder: Path) -> Argv:
    """rtsp://[::1/stream: not a valid address; give"""
    return run(folder, source="rtsp://[::1/stream")
