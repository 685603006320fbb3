"""Pose estimators and their networks."""

from pathlib import Path

import networks
import onnx
from bad_input.table import Argv, row, rows, run_with

rows(
    run_with,
    {
        "--pose.name openpose": "unknown pose estimator 'openpose'; known: blazepose, trt_pose, tf_pose",
        "--pose.name tf_pose": "tf_pose needs a network file",
        "--pose.name trt_pose --pose.network {}/nowhere.onnx": "nowhere.onnx: no such network file",
        "--pose.min_joint_score 50": "pose: min_joint_score is 50.0; give a number in [0, 1]",
        "--pose.max_people 0": "pose: max_people is 0; give a number in [1, inf)",
    },
)


@row()
def a_pose_network_that_is_none(folder: Path) -> Argv:
    """pose.onnx: not a trt_pose network"""
    networks.separable(folder / "pose.onnx")
    return run_with(folder, "--pose.name trt_pose --pose.network {}/pose.onnx")


@row()
def a_pose_network_that_pytorch_wrote(folder: Path) -> Argv:
    """resnet18.pth: no runtime reads .pth files; give .onnx, .tflite or .engine"""
    (folder / "resnet18.pth").write_bytes(b"PK")
    return run_with(folder, "--pose.name trt_pose --pose.network {}/resnet18.pth")


@row(needs="blazepose_files")
def a_landmark_network_that_is_damaged(folder: Path) -> Argv:
    """lite.tflite: LiteRT cannot load it"""
    (folder / "lite.tflite").write_bytes(b"TFL3 and no more")
    return run_with(folder, "--pose.network {}/lite.tflite")


@row()
def a_pose_network_of_another_kind_of_number(folder: Path) -> Argv:
    """pose.onnx: x is tensor(double), which is not supported; export it with float32"""
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "doubles", [x], [y])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "pose.onnx")
    return run_with(folder, "--pose.name trt_pose --pose.network {}/pose.onnx")
