"""Streams as ONNX files: the device's runner computes what the clip form does, in FP32 exactly, in INT8 nearly."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from drawn import lively
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from calibrate.quantisation.onnx_graph import Graph
from calibrate.recording_engine import RecordingEngine
from calibrate.tensorrt.rules import violations
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import BundleError
from edge.contract.layouts import layout
from edge.contract.manifest import Manifest, StreamForm
from edge.contract.preprocess import Preprocessing, clip_tensor
from edge.engines.registry import open_engine
from edge.recognition.recogniser import RecogniserConfig, softmax
from edge.recognition.streaming.network import StreamNetwork, open_stream, stream_file
from edge.recognition.streaming.recogniser import StreamRecogniser, open_stream_recogniser
from train.export.stream_files import write_stream
from train.networks.dense_gcn_stream import DenseGcnStream

PENN = layout("penn-13")
HOW = Preprocessing(length_frames=16, centre="trailing")


@pytest.fixture(scope="module")
def network() -> DenseGcnStream:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = lively(DenseGcnStream(5, PENN, 1, width=4))
    assert isinstance(network, DenseGcnStream)
    return network


@pytest.fixture(scope="module")
def folder(network: DenseGcnStream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stream")
    write_stream(network, noise(16), folder, frames=1)
    return folder


@pytest.fixture(scope="module")
def together(network: DenseGcnStream, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    write_stream(network, noise(16), folder)
    return folder


def noise(frames: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((1, 3, frames, 13, 1)).astype(np.float32)


def walker(frames: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    keypoints = np.random.default_rng(1).uniform(100, 300, (1, 13, 3)).repeat(frames, axis=0)
    keypoints[..., :2] += np.random.default_rng(2).normal(0, 4, (frames, 13, 2)).cumsum(axis=0)
    keypoints[..., 2] = np.random.default_rng(3).uniform(size=(frames, 13)) > 0.1
    return keypoints.astype(np.float32), np.arange(frames) / 30


def test_the_files_are_opset_17_with_static_shapes_and_named_states(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {"stream.1.onnx", "stream.2.onnx", "stream.4.onnx"}
    for path in folder.iterdir():
        model = onnx.load(path)
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
        assert violations(model) == []
        shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input}
        assert all(all(shape) for shape in shapes.values()) and shapes["frame"] == [1, 3, 1, 13, 1]
        given = {o.name for o in model.graph.output} - {"logits"}
        assert given == {f"{name}.next" for name in shapes if name != "frame"}
        kinds = Counter(node.op_type for node in model.graph.node)
        assert "BatchNormalization" not in kinds and "Pad" not in kinds


def test_steps_of_four_frames_are_one_network_with_logits_at_the_same_times(folder: Path, together: Path) -> None:
    assert [p.name for p in together.iterdir()] == ["stream.4.onnx"]
    one, four = open_stream(folder, threads=1), open_stream(together, threads=1)
    np.testing.assert_allclose(one.logits(noise(32)), four.logits(noise(32)), atol=1e-4)
    assert (one.frames, four.frames, one.cycle_frames, four.cycle_frames) == (1, 4, 4, 4)


def test_probabilities_from_camera_frames_equal_the_clip_forms(folder: Path, network: DenseGcnStream) -> None:
    keypoints, times = walker(32)  # 16 frames at 15 Hz
    stream = StreamRecogniser(PENN, HOW, open_stream(folder, threads=1)).new_stream()
    answers = [stream.push(k, float(t)) for k, t in zip(keypoints, times, strict=True)]
    last = [a for a in answers if a is not None]
    clip = clip_tensor([(keypoints, times)], PENN, HOW, end_s=1.0)
    with torch.inference_mode():
        expected = softmax(network(torch.from_numpy(clip)[None])[0].numpy())[0]
    assert len(last) == 4
    np.testing.assert_allclose(last[-1], expected, atol=1e-4)


# A spell of somebody in view: frames at 15 Hz, pictures a second, and the seconds out of view before it.
SPELLS = st.lists(
    st.tuples(st.integers(4, 16), st.sampled_from([15.0, 24.0, 30.0]), st.floats(0.55, 4.0)), min_size=1, max_size=3
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spells=st.lists(SPELLS, min_size=2, max_size=3), steps_of=st.sampled_from([1, 4]), seed=st.integers(0, 999))
def test_people_who_come_and_go_get_the_clip_forms_answers(
    folder: Path, together: Path, network: DenseGcnStream, spells: list[Any], steps_of: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    recogniser = StreamRecogniser(PENN, HOW, open_stream(folder if steps_of == 1 else together, threads=1))
    streams = [recogniser.new_stream() for _ in spells]
    pushes, wanted = [], {}
    for who, of_somebody in enumerate(spells):
        time_s = float(rng.uniform(0, 2))
        for count, fps, gap_s in of_somebody:
            time_s += gap_s
            times = time_s + np.arange(int(np.ceil((count - 1) / 15 * fps - 1e-6)) + 1) / fps
            body = rng.uniform(100, 300, (13, 3)).repeat(len(times)).reshape(13, 3, -1).transpose(2, 0, 1)
            body = (body + rng.normal(0, 4, body.shape).cumsum(axis=0)).astype(np.float32)
            body[..., 2] = rng.uniform(size=body.shape[:2]) > 0.1
            pushes += [(t, who, k) for t, k in zip(times.tolist(), body, strict=True)]
            whole = count // 4 * 4
            how = replace(HOW, length_frames=whole)
            clip = clip_tensor([(body, times)], PENN, how, end_s=time_s + (whole - 1) / 15)
            with torch.inference_mode():
                wanted[who, float(times[-1])] = softmax(network(torch.from_numpy(clip)[None])[0].numpy())[0]
            time_s = float(times[-1])
    newest, compared = {}, 0
    for time_s, who, keypoints in sorted(pushes, key=lambda push: push[:2]):
        answer = streams[who].push(keypoints, time_s)
        newest[who] = newest.get(who) if answer is None else answer
        if (who, time_s) in wanted:
            np.testing.assert_allclose(newest[who], wanted[who, time_s], atol=1e-4)
            compared += 1
    assert compared == sum(map(len, spells))


def test_a_listener_to_a_stream_can_keep_every_step(folder: Path) -> None:
    # A stream reuses its arrays: without copies, all recorded steps would equal the last ones.
    engines = {due: RecordingEngine(open_engine(folder / stream_file(due), threads=1)) for due in (1, 2, 4)}
    frames = [np.ascontiguousarray(frame) for frame in np.split(noise(8), 8, axis=2)]
    network = StreamNetwork(engines)
    stream = network.new_stream()
    for frame in frames:
        network.step(stream, frame)
    heard = {1: frames[0::2], 2: frames[1::4], 4: frames[3::4]}
    for due, engine in engines.items():
        assert [step["frame"].tolist() for step in engine.recorded] == [frame.tolist() for frame in heard[due]]
    fresh = engines[1].recorded[0]
    assert not any(state.any() for name, state in fresh.items() if name != "frame"), "nobody begins with a past"


def test_an_int8_stream_agrees_with_fp32(folder: Path, tmp_path: Path) -> None:
    from calibrate.stream import write_int8_stream

    folder = shutil.copytree(folder, tmp_path / "int8")
    clips = np.concatenate([np.roll(noise(16), n, axis=2) for n in range(2)])
    written = write_int8_stream(folder, clips, "minmax", folder)
    assert [p.name for p in written] == ["stream.1.int8.onnx", "stream.2.int8.onnx", "stream.4.int8.onnx"]
    assert all(violations(onnx.load(p)) == [] for p in written)
    exact, eight_bit = open_stream(folder, threads=1), open_stream(folder, "int8", threads=1)
    one, other, pairs = exact.new_stream(), eight_bit.new_stream(), []
    for frame in np.split(noise(96), 96, axis=2):
        frame = np.ascontiguousarray(frame)
        pairs.append((exact.step(one, frame), eight_bit.step(other, frame)))
    wanted, given = (np.array(x) for x in zip(*[p for p in pairs if p[0] is not None], strict=True))
    # With four channels rounding errors hardly average out.
    assert np.corrcoef(wanted.ravel(), given.ravel())[0, 1] > 0.95
    assert not np.array_equal(wanted, given)


def test_the_calibration_method_closest_to_fp32_on_held_out_clips_is_chosen(together: Path, tmp_path: Path) -> None:
    from calibrate.calibration_set import stratified
    from calibrate.configuration import StreamConfig
    from calibrate.quantisation.method_choice import TRIED_METHODS
    from calibrate.stream import quantise_stream, write_int8_stream

    rng = np.random.default_rng(0)
    clips = (rng.uniform(0.3, 2, (12, 1, 1, 1, 1)) * rng.standard_normal((12, 3, 16, 13, 1))).astype(np.float32)
    labels = np.arange(12) % 5
    drawn = stratified(labels, 8, seed=0)
    others = np.setdiff1d(np.arange(12), drawn)
    clips[others] *= 4
    np.savez(tmp_path / "calibration.npz", clips=clips, labels=labels)
    for name in ("bundle", *TRIED_METHODS):
        shutil.copytree(together, tmp_path / name)

    def error(method: str, of: NDArray[np.int64]) -> float:
        exact, rounded = (open_stream(tmp_path / method, precision, threads=1) for precision in ("fp32", "int8"))
        return float(((exact.logits(clips[of]) - rounded.logits(clips[of])) ** 2).mean())

    for method in TRIED_METHODS:
        write_int8_stream(tmp_path / method, clips[drawn], method, tmp_path / method)
    best, best_of_drawn = (min(TRIED_METHODS, key=lambda method: error(method, of)) for of in (others, drawn))
    assert best != best_of_drawn

    shape = (1, 3, 16, 13, 1)
    known = StreamForm(HOW, accuracy={"fp32": {"top1": 0.9}, "int8": {"top1": 0.8}})
    manifest = Manifest("streams", tuple("abcde"), PENN.name, HOW, "clip", "logits", shape, stream=known)
    write_manifest(tmp_path / "bundle", manifest)
    quantise_stream(StreamConfig(bundle=tmp_path / "bundle", clips=tmp_path / "calibration.npz", samples=8))
    names = [tmp_path / name / "stream.4.int8.onnx" for name in ("bundle", best)]
    assert names[0].read_bytes() == names[1].read_bytes()
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.file("stream.4.int8.onnx").is_file()
    # Without test clips the accuracy of the new files is unknown, and the old ones' is removed.
    assert bundle.manifest.stream is not None and bundle.manifest.stream.accuracy == {"fp32": {"top1": 0.9}}


def test_states_of_an_int8_stream_stay_in_float(together: Path, tmp_path: Path) -> None:
    """A quantised product reads the same tensor as the state, whose rounding errors would accumulate."""
    from calibrate.stream import write_int8_stream

    shutil.copytree(together, tmp_path, dirs_exist_ok=True)
    write_int8_stream(tmp_path, noise(16), "minmax", tmp_path)
    graph = Graph(onnx.load(tmp_path / "stream.4.int8.onnx"))
    assert len(graph.nodes("QuantizeLinear")) == 6, "one in front of each convolution over time"
    for pair in graph.nodes("DequantizeLinear"):
        assert [taker.op_type for taker in graph.consumers[pair.output[0]]] == ["Gemm"]
    rng = np.random.default_rng(1)
    fresh = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.model.graph.input}
    states = {name: rng.uniform(0, 3, shape).astype(np.float32) for name, shape in fresh.items()}
    session = onnxruntime.InferenceSession(tmp_path / "stream.4.int8.onnx")
    (kept,) = session.run(["unit5.kept.next"], states)
    channels = kept.shape[1] // 4
    np.testing.assert_array_equal(kept[:, :-channels], states["unit5.kept"][:, channels:])


def test_an_altered_stream_file_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("stream.?.onnx"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    shape = (1, 3, 16, 13, 1)
    write_manifest(tmp_path, Manifest("streams", tuple("abcde"), PENN.name, HOW, "clip", "logits", shape))
    config = RecogniserConfig(precision="fp32", threads=1)
    stream = open_stream_recogniser(read_bundle(tmp_path), config).new_stream()
    keypoints, times = walker(8)
    answers = [stream.push(k, float(t)) for k, t in zip(keypoints, times, strict=True)]
    assert [a.shape for a in answers if a is not None] == [(5,)]
    (tmp_path / "stream.2.onnx").write_bytes(b"something else")
    with pytest.raises(BundleError, match="sha256"):
        open_stream_recogniser(read_bundle(tmp_path), config)
