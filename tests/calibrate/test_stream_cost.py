"""The cost of a streamed frame relative to a clip."""

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import tiny_bundle
from onnx import helper, numpy_helper

from calibrate.stream_cost import _seconds, frames_per_clip
from edge.contract.bundle import read_bundle, write_manifest


def slow_down(path: Path, products: int) -> None:
    """Let the logits wait for this many matrix products."""
    model = onnx.load(path)
    graph, names = model.graph, [f"p{n}" for n in range(products + 1)]
    shrink = np.full((256, 256), 1e-3, np.float32)
    graph.initializer.append(numpy_helper.from_array(shrink, "shrink"))
    (last,) = [node for node in graph.node if "logits" in node.output]
    last.output[0] = "early"
    graph.node.extend([
        helper.make_node("ReduceMean", ["early"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["shrink", "mean"], [names[0]]),
        *(helper.make_node("MatMul", [before, "shrink"], [after]) for before, after in pairwise(names)),
        helper.make_node("ReduceMean", [names[-1]], ["none"], keepdims=0),
        helper.make_node("Add", ["early", "none"], ["logits"]),
    ])  # fmt: skip
    onnx.save(model, path)


def test_the_cost_of_a_frame_is_measured_relative_to_a_clip(tmp_path):
    folder = tiny_bundle.add_stream(tiny_bundle.make(tmp_path / "tiny"))
    manifest = read_bundle(folder).manifest
    slow_down(folder / "student.int8.onnx", 32)
    slow_down(folder / "stream.4.int8.onnx", 8)
    (folder / "student.int8.engine").write_bytes(b"built here, where others will run the ONNX file")
    write_manifest(folder, manifest)
    # A clip costs as much as four steps of four frames each, less what a frame costs outside the network.
    assert frames_per_clip(read_bundle(folder), "int8") > 6


def test_time_in_which_other_processes_run_is_not_counted():
    assert _seconds(lambda: time.sleep(0.2)) < 0.1
