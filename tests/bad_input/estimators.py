"""Pose estimators and their networks."""

from pathlib import Path

import networks
import onnx
from bad_input.table import Argv, row, run


@row()
def a_pose_estimator_that_is_not_known(folder: Path) -> Argv:
    """unknown pose estimator 'openpose'; known: blazepose, trt_pose, tf_pose"""
    return run(folder, more=["--pose.name", "openpose"])


@row()
def a_pose_estimator_without_its_network(folder: Path) -> Argv:
    """tf_pose needs a network file"""
    return run(folder, more=["--pose.name", "tf_pose"])


@row()
def a_pose_network_that_is_none(folder: Path) -> Argv:
    """pose.onnx: not a trt_pose network"""
    network = networks.separable(folder / "pose.onnx")
    return run(folder, more=["--pose.name", "trt_pose", "--pose.network", network])


@row()
def a_pose_network_that_is_not_there(folder: Path) -> Argv:
    """nowhere.onnx: no such network file"""
    return run(folder, more=["--pose.name", "trt_pose", "--pose.network", folder / "nowhere.onnx"])


@row()
def a_pose_network_that_pytorch_wrote(folder: Path) -> Argv:
    """resnet18.pth: no runtime reads .pth files; give .onnx, .tflite or .engine"""
    (folder / "resnet18.pth").write_bytes(b"PK")
    return run(folder, more=["--pose.name", "trt_pose", "--pose.network", folder / "resnet18.pth"])


@row(needs="blazepose_files")
def a_landmark_network_that_is_damaged(folder: Path) -> Argv:
    """lite.tflite: LiteRT cannot load it"""
    (folder / "lite.tflite").write_bytes(b"TFL3 and no more")
    return run(folder, more=["--pose.network", folder / "lite.tflite"])


@row()
def a_pose_network_of_another_kind_of_number(folder: Path) -> Argv:
    """pose.onnx: x is tensor(double), which is not supported; export it with float32"""
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "doubles", [x], [y])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "pose.onnx")
    return run(folder, more=["--pose.name", "trt_pose", "--pose.network", folder / "pose.onnx"])


@row()
def a_joint_score_that_no_joint_reaches(folder: Path) -> Argv:
    """pose: min_joint_score is 50.0; give a number in [0, 1]"""
    return run(folder, more=["--pose.min_joint_score", "50"])


@row()
def no_people_at_most(folder: Path) -> Argv:
    """pose: max_people is 0; give a number in [1, inf)"""
    return run(folder, more=["--pose.max_people", "0"])
