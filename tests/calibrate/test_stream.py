"""INT8 networks of a stream are calibrated on what a device would feed them."""

import shutil
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from documented import ROOT

from calibrate.configuration import StreamConfig
from calibrate.quantisation.onnx_graph import Graph
from calibrate.stream import quantise_stream, write_int8_stream
from edge.contract.bundle import read_bundle
from edge.contract.preprocess import clip_tensor


@pytest.mark.parametrize("largest", range(4))
def test_ranges_cover_every_step_of_a_stream_with_a_past(tmp_path: Path, largest: int) -> None:
    """Of two clips of two steps, one of which is the largest."""
    model = onnx.load(networks.stream(tmp_path / "stream.4.onnx"))
    classifier = model.graph.node.pop()
    classifier.input[0] = "read"  # sums stay in floating point
    model.graph.node.extend([onnx.helper.make_node("Flatten", ["past.next"], ["read"]), classifier])
    onnx.save(model, tmp_path / "stream.4.onnx")
    steps = np.random.default_rng(0).standard_normal((2, 2, 3, 4, networks.JOINTS, 1)).astype(np.float32)
    steps[divmod(largest, 2)] += 3
    write_int8_stream(tmp_path, np.concatenate([steps[:, 0], steps[:, 1]], axis=2), "minmax", tmp_path)
    past, reached = np.zeros(3), []
    for step in steps.reshape(4, 3, -1):
        past = past / 2 + step.sum(axis=1)
        reached.append(np.abs(past).max())
    graph = Graph(onnx.load(tmp_path / "stream.4.int8.onnx"))
    (quantize,) = graph.nodes("QuantizeLinear")
    assert quantize.input[0] == "read"
    assert 127 * graph.constants[quantize.input[1]] == pytest.approx(max(reached), rel=1e-5)


def test_recordings_become_clips_as_the_stream_normalises_them(tmp_path: Path) -> None:
    """A stream that was added to a bundle is causal, while the bundle's clips are not."""
    shutil.copytree(ROOT / "bundles/everyday", tmp_path / "bundle")
    bundle, rng = read_bundle(tmp_path / "bundle"), np.random.default_rng(4)
    how = bundle.manifest.stream.preprocessing
    keypoints = rng.uniform(1, 300, (4, 40, len(bundle.layout), 3)).astype(np.float32)
    times_s, labels = np.tile(np.arange(40) / how.fps, (4, 1)), [0, 1, 2, 3]
    recorded = {"keypoints": np.concatenate(keypoints), "times_s": times_s.ravel(), "length": [40] * 4}
    clips = [clip_tensor([(k, t)], bundle.layout, how) for k, t in zip(keypoints, times_s, strict=True)]
    written = []
    for arrays in (recorded, {"clips": np.stack(clips)}):
        np.savez(tmp_path / "clips.npz", **arrays, labels=labels)
        quantise_stream(StreamConfig(bundle=tmp_path / "bundle", clips=tmp_path / "clips.npz", method="minmax"))
        written.append((tmp_path / "bundle/stream.4.int8.onnx").read_bytes())
    assert how != bundle.manifest.preprocessing and written[0] == written[1]
