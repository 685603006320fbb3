"""Where results go."""

import resource
from pathlib import Path

from bad_input.table import Argv, poses, row, run

ABSENT_NETWORK: Argv = ["--pose.name", "trt_pose", "--pose.network", "absent.onnx"]
"""Outputs are refused before it is missed: loading networks takes seconds."""


@row()
def a_codec_that_is_not_known(folder: Path) -> Argv:
    """OpenCV cannot encode zzzz here"""
    return run(folder, more=[*ABSENT_NETWORK, "--sinks.codec", "zzzz"])


@row()
def an_output_folder_that_is_a_file(folder: Path) -> Argv:
    """cannot be written: File exists"""
    (folder / "out").write_text("")
    return run(folder, more=ABSENT_NETWORK)


@row()
def an_output_that_is_a_folder(folder: Path) -> Argv:
    """a.jsonl: cannot be written: it is a folder"""
    (folder / "out" / "a.jsonl").mkdir(parents=True)
    return run(folder, more=ABSENT_NETWORK)


@row(needs="blazepose_files")
def a_disk_that_is_full(folder: Path) -> Argv:
    """cannot be written: File too large"""
    argv = run(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return argv


@row()
def two_outputs_of_one_name(folder: Path) -> Argv:
    """two outputs have the same name"""
    return run(folder, more=["--report", folder / "out" / "a.jsonl"])


@row()
def an_output_to_stdout(folder: Path) -> Argv:
    """there is no output to stdout; give a file name instead of -"""
    return run(folder, more=["--sinks.json", "-"])


@row()
def a_window_without_a_screen(folder: Path) -> Argv:
    """there is no screen to show a window on"""
    return run(folder, more=[*ABSENT_NETWORK, "--sinks.show", "true"])


@row()
def a_video_that_is_called_a_text(folder: Path) -> Argv:
    """a.txt is not a video format; use the suffix .mp4"""
    return run(folder, more=[*ABSENT_NETWORK, "--sinks.video", folder / "out" / "a.txt"])


@row()
def a_picture_that_is_called_a_video(folder: Path) -> Argv:
    """b.mp4 is not an image format; use the suffix .png"""
    return run(folder, more=[*ABSENT_NETWORK, "--sinks.picture", folder / "out" / "b.mp4"])


@row()
def a_page_without_a_port(folder: Path) -> Argv:
    """sinks.page is 'here'; give a port, or host:port: 8080, 0.0.0.0:8080"""
    return run(folder, more=[*ABSENT_NETWORK, "--sinks.page", "here"])


@row()
def a_page_on_a_machine_that_is_another(folder: Path) -> Argv:
    """192.0.2.1:8080: the live page cannot listen"""
    return run(folder, more=[*ABSENT_NETWORK, "--sinks.page", "192.0.2.1:8080"])


@row()
def a_broker_without_a_name(folder: Path) -> Argv:
    """sinks.mqtt has no broker; give mqtt://host"""
    return run(folder, more=[*ABSENT_NETWORK, "--sinks.mqtt", "mqtt://"])


@row()
def a_topic_that_only_subscribers_may_name(folder: Path) -> Argv:
    """sinks.mqtt has a topic that cannot be published to; leave out + # and ?"""
    return run(folder, source=f"replay://{poses(folder, 9)}", more=["--sinks.mqtt", "mqtt://127.0.0.1/rooms/+"])


@row()
def a_page_whose_token_is_empty(folder: Path) -> Argv:
    """sinks.page_token is empty or has invalid characters"""
    page = ["--sinks.page", "0.0.0.0:0", "--sinks.page_token", ""]
    return run(folder, source=f"replay://{poses(folder, 9)}", more=page)


@row(needs="python_without_paho")
def a_broker_without_its_client(folder: Path) -> Argv:
    """sinks.mqtt needs the package paho-mqtt; install it with: pip install 'skd-edge[mqtt]'"""
    return run(folder, more=[*ABSENT_NETWORK, "--sinks.mqtt", "mqtt://127.0.0.1"])


@row(needs="opencv_without_windows")
def a_window_that_opencv_cannot_make(folder: Path) -> Argv:
    """OpenCV was built without windows; run without a window; edge run --sinks.page 8080"""
    return run(folder, source=f"replay://{poses(folder, 9)}", more=["--sinks.show", "true"])


@row(needs="screen_that_is_not_there")
def a_window_on_a_screen_that_does_not_answer(folder: Path) -> Argv:
    """no window can be shown on this screen:"""
    return run(folder, source=f"replay://{poses(folder, 9)}", more=["--sinks.show", "true"])


@row()
def an_output_of_too_long_a_name(folder: Path) -> Argv:
    """cannot be written: File name too long; choose another path"""
    return run(folder, source=f"replay://{poses(folder, 9)}", more=["--sinks.events", folder / ("s" * 300)])


@row()
def a_broker_whose_name_no_machine_can_have(folder: Path) -> Argv:
    """sinks.mqtt has no broker; give mqtt://host"""
    return run(folder, source=f"replay://{poses(folder, 9)}", more=["--sinks.mqtt", "mqtt://[::1/topic"])
