"""Timing of single queries, with the engine that the loop runs."""

import time
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from fake_graphs import FakeLibrary

import edge.bench.query_times
from edge.bench.query_times import pose_network_times, query_times, student_times
from edge.contract.errors import EngineError
from edge.pose.registry import ESTIMATORS, PoseConfig, open_networks
from edge.recognition.recogniser import RecogniserConfig


class Clocked:
    """An engine on a GPU whose clock gives 2, 3, 4, ... ms, while the host's gives far more."""

    def __init__(self):
        self.runs, self.device_s = 0, None

    def run(self, inputs):
        time.sleep(0.02)
        self.runs += 1
        self.device_s = (self.runs + 1) / 1000


def test_queries_are_timed_by_both_clocks_after_the_warm_up():
    found = query_times(Clocked(), {}, queries=10, warm_up=3)
    # Runs 4 to 13 count 5 to 14 ms.
    assert (found.device.p50_ms, found.device.p90_ms, found.device.max_ms) == pytest.approx((9, 13, 14))
    assert found.host.count == 10 and found.host.p50_ms >= 20


@pytest.mark.usefixtures("blazepose_files")
def test_pose_networks_are_timed_as_the_loop_runs_them(monkeypatch):
    """Not as published: BlazePose's files take floats, but the loop's networks take a camera's bytes."""
    given = []

    def timed(engine, inputs, queries, warm_up):
        given.append({name: (array.dtype, array.shape) for name, array in inputs.items()})
        engine.run(inputs)
        return engine.describe()

    monkeypatch.setattr(edge.bench.query_times, "query_times", timed)
    found = pose_network_times(PoseConfig(threads=1), 1, 0)
    byte, real = np.dtype(np.uint8), np.dtype(np.float32)
    assert given == [
        {"image": (byte, (1, 224, 224, 3))},
        {"image": (byte, (1, 256, 256, 3)), "axes": (real, (1, 3, 2))},
    ]
    assert list(found) == [
        "detector, blazepose_detector.tflite with added layers",
        "landmarks, blazepose_full.tflite with added layers",
    ]
    assert all("LiteRT" in description for description in found.values())


def test_the_runtime_of_the_loop_is_the_one_that_is_timed(bundle_folder):
    pytest.importorskip("openvino")
    for runtime, name in (("auto", "ONNX Runtime"), ("openvino", "OpenVINO")):
        (engine,) = open_networks(
            PoseConfig("tf_pose", bundle_folder / "student.onnx", threads=1, engine=runtime)
        ).values()
        assert engine.describe().startswith(name)


def test_a_student_is_timed_up_to_the_batch_of_its_engine_and_its_failures_are_raised(built, monkeypatch):
    path, _ = built(max_batch=3)
    reference = {"clips": np.zeros((2, 3, 4), np.float32)}
    bundle = SimpleNamespace(reference=lambda: reference, manifest=SimpleNamespace(input_name="clip"))
    config = RecogniserConfig(network=path)
    assert list(student_times(bundle, config, range(1, 9), 1, 0)) == [1, 2, 3]
    one, _ = built(inputs={"clip": (1, 3, 4)})
    assert list(student_times(bundle, RecogniserConfig(network=one), range(1, 9), 1, 0)) == [1]
    path, _ = built(max_batch=3)
    launch, launches = FakeLibrary.cuGraphLaunch, count(1)
    monkeypatch.setattr(FakeLibrary, "cuGraphLaunch", lambda *given: launch(*given) if next(launches) < 60 else 901)
    with pytest.raises(EngineError, match="cuGraphLaunch"):
        student_times(bundle, config, range(1, 9), 50, 0)


def test_an_estimator_that_names_no_network_has_none_to_time(monkeypatch):
    monkeypatch.setitem(ESTIMATORS, "own", lambda config: None)
    assert open_networks(PoseConfig("own")) == {}
