"""Pose estimators and their networks."""

from pathlib import Path

import networks
from bad_input.table import Argv, on_board, run


@on_board()
def a_pose_estimator_that_is_not_known(folder: Path) -> Argv:
    """unknown pose estimator 'openpose'; known: blazepose, trt_pose, tf_pose"""
    return run(folder, more=["--pose.name", "openpose"])


@on_board()
def a_pose_estimator_without_its_network(folder: Path) -> Argv:
    """tf_pose needs a network file"""
    return run(folder, more=["--pose.name", "tf_pose"])


@on_board()
def a_pose_network_that_is_none(folder: Path) -> Argv:
    """not a trt_pose network"""
    network = networks.separable(folder / "pose.onnx")
    return run(folder, more=["--pose.name", "trt_pose", "--pose.network", network])


@on_board()
def a_pose_network_that_is_not_there(folder: Path) -> Argv:
    """nowhere.onnx: no such network file"""
    return run(folder, more=["--pose.name", "trt_pose", "--pose.network", folder / "nowhere.onnx"])


@on_board()
def a_pose_network_that_pytorch_wrote(folder: Path) -> Argv:
    """resnet18.pth: no runtime reads .pth files; give .onnx, .tflite or .engine"""
    (folder / "resnet18.pth").write_bytes(b"PK")
    return run(folder, more=["--pose.name", "trt_pose", "--pose.network", folder / "resnet18.pth"])


@on_board(needs="blazepose")
def a_landmark_network_that_is_damaged(folder: Path) -> Argv:
    """lite.tflite: LiteRT cannot load it"""
    (folder / "lite.tflite").write_bytes(b"TFL3 and no more")
    return run(folder, more=["--pose.network", folder / "lite.tflite"])


@on_board()
def no_people_at_most(folder: Path) -> Argv:
    """max_people starts at 1, threads and search_every_s at 0"""
    return run(folder, more=["--pose.max_people", "0"])
