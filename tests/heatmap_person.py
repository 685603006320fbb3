"""A pose network in trt_pose's form with constant heatmaps and fields of one person."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge.contract.types import Float32
from edge.pose.pose_network import TRT_POSE

SIDE = 128
"""Pixels of the network's input per side, and cells of its maps."""


def person_network(path: Path, joints: Float32) -> None:
    """joints: (18, 2) in trt_pose's order, x and y in 0..1 of the square input."""
    links = TRT_POSE.links
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    places = joints * SIDE
    heatmaps = np.stack([_spot(rows, columns, place) for place in places])
    fields = np.zeros((2 * len(links), SIDE, SIDE), np.float32)
    for link in links:
        way = places[link.end] - places[link.start]
        across, down = way / (np.hypot(*way) + 1e-5)
        fields[link.column_channel], fields[link.row_channel] = across, down
    _save(path, {"cmap": heatmaps[None].astype(np.float32), "paf": fields[None]})


def _spot(rows: NDArray[np.float64], columns: NDArray[np.float64], place: Float32) -> NDArray[np.float64]:
    return np.asarray(np.exp(-((columns - place[0]) ** 2 + (rows - place[1]) ** 2) / 4))


def _save(path: Path, outputs: dict[str, Float32]) -> None:
    """Save a network whose outputs are constants: the image is read and multiplied by 0."""
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        # In this order: a sum of all pixels exceeds half precision.
        helper.make_node("Mul", ["numbers", "zero"], ["zeros"]),
        helper.make_node("ReduceMean", ["zeros"], ["nothing"], keepdims=0),
        *(helper.make_node("Add", [f"{name} drawn", "nothing"], [name]) for name in outputs),
    ]
    constants = {"zero": np.zeros((), np.float32), **{f"{name} drawn": array for name, array in outputs.items()}}
    graph = helper.make_graph(
        nodes,
        "person",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape) for name, array in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
