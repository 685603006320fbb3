"""Results and memory of TensorRT engines, on a fake GPU that detects misuse; tests/gpu uses a real one."""

import numpy as np
import pytest
from fake_cuda import FakeGpu, PageLocked

from edge.contract.errors import EngineError
from edge.engines.engine import TimedEngine
from edge.engines.tensorrt_engine import TensorRtEngine

VERSIONS = ["8.5.2", "8.6.1", "10.3.0", "11.4.1"]
GRAPH = ", zero-copy, CUDA graph"


def clips(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("integrated", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_generation_runs_every_batch_it_was_built_for(built, version: str, integrated: bool) -> None:
    path, trt = built(version, gpu=FakeGpu(integrated=integrated))
    engine = TensorRtEngine(path)
    assert engine.describe().endswith(GRAPH if integrated else ", page-locked, CUDA graph")
    assert [(s.name, s.shape, s.dtype) for s in engine.inputs] == [("clip", (None, 3, 4), np.float32)]
    results = []
    for count in (4, 1, 3, 2, 1):
        clip = clips(count, seed=count)
        results.append((clip, engine.run({"clip": clip})["logits"]))
    # Compared at the end: a run must not overwrite earlier results.
    for clip, logits in results:
        np.testing.assert_array_equal(logits, 2 * clip)
    engine.close()
    assert trt.gpu.taken and all(memory.freed for memory in trt.gpu.taken)
    assert not trt.gpu.graphs


def test_on_an_integrated_gpu_nothing_is_copied(built) -> None:
    path, trt = built(gpu=FakeGpu(integrated=True))
    engine = TensorRtEngine(path)
    engine.run({"clip": clips(2)})
    assert trt.gpu.copies == 0
    assert all(isinstance(memory, PageLocked) and memory.mapped for memory in trt.gpu.taken)


def test_on_another_gpu_inputs_and_outputs_are_copied_once_each(built) -> None:
    path, trt = built(gpu=FakeGpu(integrated=False))
    engine = TensorRtEngine(path)
    copies, copied_bytes = trt.gpu.copies, trt.gpu.copied_bytes
    found = engine.run({"clip": clips(2)})["logits"]
    assert trt.gpu.copies - copies == 2
    assert trt.gpu.copied_bytes - copied_bytes == clips(2).nbytes + found.nbytes, "not all that the buffers hold"
    assert [isinstance(memory, PageLocked) for memory in trt.gpu.taken] == [True, False] * 2


@pytest.mark.parametrize("integrated", [True, False])
def test_a_user_can_choose_the_other_kind_of_memory(built, integrated: bool) -> None:
    path, _ = built(gpu=FakeGpu(integrated=integrated))
    engine = TensorRtEngine(path, mapped=not integrated)
    assert ("page-locked" if integrated else "zero-copy") in engine.describe()
    np.testing.assert_array_equal(engine.run({"clip": clips(3)})["logits"], 2 * clips(3))


def test_all_memory_is_allocated_at_the_start(built) -> None:
    path, trt = built(gpu=FakeGpu(integrated=False))
    engine = TensorRtEngine(path)
    taken, streams, graphs = len(trt.gpu.taken), len(trt.gpu.streams), dict(trt.gpu.graphs)
    for count in (1, 2, 3, 4) * 3:
        engine.run({"clip": clips(count)})
    assert (len(trt.gpu.taken), len(trt.gpu.streams), trt.gpu.graphs) == (taken, streams, graphs)


def test_a_run_is_one_launch_of_a_graph(built) -> None:
    path, trt = built()
    engine = TensorRtEngine(path)
    assert len(trt.gpu.graphs) == 3, "one for each of the batches 1, 2 and 4"
    before = trt.gpu.launches
    for count in (1, 2, 3):
        engine.run({"clip": clips(count)})
    assert trt.gpu.launches - before == 3


@pytest.mark.parametrize(
    ("gpu", "options", "why"),
    [
        ({}, {"recordable": False}, "TensorRT cannot run it: this engine cannot be recorded"),
        ({"records": "refused"}, {}, "cuStreamBeginCapture_v2: CUDA_ERROR_NOT_SUPPORTED (801)"),
        ({"records": "nothing"}, {}, "a captured graph returns other results than a normal run"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_that_cannot_be_captured_runs_kernel_by_kernel_and_says_why(
    built, version: str, gpu: dict, options: dict, why: str
) -> None:
    path, trt = built(version, gpu=FakeGpu(**gpu), **options)
    engine = TensorRtEngine(path)
    assert engine.describe().endswith(f"no CUDA graph ({why})")
    assert not trt.gpu.graphs
    for count in (3, 1):
        np.testing.assert_array_equal(engine.run({"clip": clips(count)})["logits"], 2 * clips(count))
    engine.close()
    assert all(memory.freed for memory in trt.gpu.taken)


def test_a_graph_without_the_kernels_is_noticed_however_small_the_outputs_are(built) -> None:
    path, _ = built(gpu=FakeGpu(records="nothing"), compute=lambda flags, clip: 1e-6 * clip)
    assert TensorRtEngine(path).describe().endswith("returns other results than a normal run)")


def test_outputs_that_are_not_finite_are_no_reason_against_a_graph(built) -> None:
    path, _ = built(compute=lambda flags, clip: np.where(clip < 0, np.float32(np.nan), clip))
    assert TensorRtEngine(path).describe().endswith(", CUDA graph")


def test_the_first_runs_give_valid_indices_to_a_network_that_takes_indices(built) -> None:
    table = np.array([3, 5], np.float32)
    path, _ = built(inputs={"index": (-1, 6)}, kinds={"index": "INT64"}, compute=lambda flags, index: table[index])
    found = TensorRtEngine(path).run({"index": np.ones((2, 6), np.int64)})["logits"]
    np.testing.assert_array_equal(found, np.full((2, 6), 5))


def test_an_output_that_has_the_size_of_one_batch_is_not_taken_for_a_batch(built) -> None:
    fixed = np.arange(10, dtype=np.float32).reshape(2, 5)
    path, _ = built(outputs=("logits", "fixed"), compute=lambda flags, clip: (2 * clip, fixed))
    engine = TensorRtEngine(path)
    for count in (1, 2, 3):
        np.testing.assert_array_equal(engine.run({"clip": clips(count)})["fixed"], fixed)


def test_a_driver_without_graphs_is_no_obstacle(built, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise EngineError("this driver has no CUDA graphs: undefined symbol")

    path, _ = built()
    monkeypatch.setattr("edge.engines.tensorrt_engine.driver_library", missing)
    engine = TensorRtEngine(path)
    assert engine.describe().endswith("no CUDA graph (this driver has no CUDA graphs: undefined symbol)")
    np.testing.assert_array_equal(engine.run({"clip": clips(3)})["logits"], 2 * clips(3))


@pytest.mark.parametrize("recordable", [True, False])
@pytest.mark.parametrize("integrated", [True, False])
def test_the_gpus_own_time_is_that_of_the_kernels_without_copies(built, integrated: bool, recordable: bool) -> None:
    gpu = FakeGpu(integrated=integrated)
    path, _ = built(gpu=gpu, recordable=recordable, kernel_ms=lambda flags, batch: 1.5 * batch)
    engine = TensorRtEngine(path)
    assert engine.device_s is None, "nothing was run yet"
    for count, ms in ((1, 1.5), (2, 3.0), (3, 6.0)):
        engine.run({"clip": clips(count)})
        assert engine.device_s == pytest.approx(ms / 1000)
    assert TimedEngine(engine).device_s == engine.device_s


def test_waiting_blocks_and_streams_do_not_synchronise(built) -> None:
    path, trt = built()
    first, second = TensorRtEngine(path), TensorRtEngine(path)
    assert {event.flags for event in trt.gpu.events} == {1}, "BLOCKING_SYNC: no busy loop"
    assert [stream.flags for stream in trt.gpu.streams.values()] == [1, 1], "NON_BLOCKING, one for each engine"
    first.run({"clip": clips(1)})
    np.testing.assert_array_equal(second.run({"clip": clips(2)})["logits"], 2 * clips(2))


def test_inputs_and_outputs_go_by_name_and_each_has_its_type(built) -> None:
    def compute(flags: set[str], image: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return state + 1, image.astype(np.float32).sum((1, 2))

    path, _ = built(
        gpu=FakeGpu(integrated=False),
        inputs={"image": (1, 5, 3), "state": (1, 4)},
        outputs=("state.next", "sum"),
        kinds={"image": "UINT8"},
        compute=compute,
    )
    engine = TensorRtEngine(path)
    assert engine.describe().endswith("CUDA graph")
    image, state = np.arange(15, dtype=np.uint8).reshape(1, 5, 3), np.arange(4, dtype=np.float32)[None]
    found = engine.run({"state": state, "image": image})
    np.testing.assert_array_equal(found["state.next"], state + 1)
    np.testing.assert_array_equal(found["sum"], [105])


@pytest.mark.parametrize("core", [None, 0, 1])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_runs_on_the_dla_core_it_was_built_for(built, version: str, core: int | None) -> None:
    path, trt = built(version, precision="fp32" if core is None else "fp16", dla_core=core, dla_cores=2)
    engine = TensorRtEngine(path)
    np.testing.assert_array_equal(engine.run({"clip": clips(1)})["logits"], 2 * clips(1))
    assert set(trt.ran_on) == (set() if core is None else {core})


def test_rows_that_no_input_has_filled_are_zero(built) -> None:
    def compute(flags: set[str], clip: np.ndarray) -> np.ndarray:
        seen.append(clip[3:])
        return clip

    seen: list[np.ndarray] = []
    path, _ = built(compute=compute)
    TensorRtEngine(path, graphs=False).run({"clip": clips(3)})
    np.testing.assert_array_equal(seen[-1], np.zeros((1, 3, 4)))


def test_an_array_with_gaps_is_copied_in_its_own_order(built) -> None:
    path, _ = built()
    clip = np.arange(24, dtype=np.float32).reshape(2, 4, 3).transpose(0, 2, 1)
    np.testing.assert_array_equal(TensorRtEngine(path).run({"clip": clip})["logits"], 2 * clip)


@pytest.mark.parametrize(
    ("inputs", "what"),
    [
        ({"clip": np.zeros((1, 3, 5), np.float32)}, "takes float32"),
        ({"clip": np.zeros((1, 3, 4), np.float64)}, "takes float32"),
        ({"clip": np.zeros((5, 3, 4), np.float32)}, "5 in one run, which is outside the engine's 1 to 4"),
        ({"clip": np.zeros((0, 3, 4), np.float32)}, "0 in one run"),
        ({"picture": np.zeros((1, 3, 4), np.float32)}, "tensors are clip, but picture"),
    ],
)
def test_wrong_inputs_are_refused(built, inputs: dict, what: str) -> None:
    path, _ = built()
    with pytest.raises(EngineError, match=what):
        TensorRtEngine(path).run(inputs)


@pytest.mark.parametrize(("most", "graphs"), [(1, 1), (2, 2), (6, 4), (8, 4)])
@pytest.mark.parametrize("version", VERSIONS)
def test_inputs_state_the_max_batch_of_the_engine(built, version: str, most: int, graphs: int) -> None:
    path, trt = built(version, max_batch=most)
    engine = TensorRtEngine(path)
    assert engine.inputs[0].max_batch == most and engine.outputs[0].max_batch is None
    assert len(trt.gpu.graphs) == graphs, "1, 2, 4 and so on, and the most"
    np.testing.assert_array_equal(engine.run({"clip": clips(most)})["logits"], 2 * clips(most))
    with pytest.raises(EngineError, match=f"outside the engine's 1 to {most}"):
        engine.run({"clip": clips(most + 1)})


def test_inputs_of_different_batches_are_refused(built) -> None:
    path, _ = built(inputs={"a": (-1, 2), "b": (-1, 2)}, compute=lambda flags, a, b: a + b)
    engine = TensorRtEngine(path)
    a, b = np.zeros((2, 2), np.float32), np.zeros((1, 2), np.float32)
    with pytest.raises(EngineError, match="1 and 2 in one run"):
        engine.run({"a": a, "b": b})
