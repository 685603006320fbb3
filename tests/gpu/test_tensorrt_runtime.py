"""Running engines on a real GPU: both kinds of memory, CUDA graphs, times, several engines at once."""

import threading
import time
from pathlib import Path

import networks
import numpy as np
import pytest

from edge.contract.errors import EngineError
from edge.engines.gpu import Gpu
from edge.engines.tensorrt_engine import TensorRtEngine

pytestmark = pytest.mark.gpu
BATCHES = (4, 1, 3, 2, 1)


@pytest.fixture(scope="module")
def engine_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from calibrate.tensorrt.engine_builder import BuildOptions, build_engine

    folder = tmp_path_factory.mktemp("engines")
    build_engine(networks.student(folder / "s.onnx"), folder / "s.engine", BuildOptions("fp32", max_batch=4))
    return folder / "s.engine"


def answers(engine: TensorRtEngine) -> list[np.ndarray]:
    return [engine.run({"clip": networks.clips(count, seed=count)})["logits"] for count in BATCHES]


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("mapped", [True, False])
def test_memory_type_and_cuda_graphs_do_not_change_the_results(engine_path: Path, mapped: bool, graphs: bool) -> None:
    from edge.engines.onnx_runtime import OnnxRuntimeEngine

    engine = TensorRtEngine(engine_path, mapped=mapped, graphs=graphs)
    reference = OnnxRuntimeEngine(engine_path.with_suffix(".onnx"))
    for count, given in zip(BATCHES, answers(engine), strict=True):
        wanted = reference.run({"clip": networks.clips(count, seed=count)})["logits"]
        assert given.shape == wanted.shape
        assert np.abs(given - wanted).max() <= 0.02 * np.abs(wanted).max()
    engine.close()


def test_a_student_can_be_captured_as_a_cuda_graph(engine_path: Path) -> None:
    engine = TensorRtEngine(engine_path)
    assert engine.describe().endswith("CUDA graph")
    engine.close()


def test_the_memory_type_fits_the_gpu(engine_path: Path) -> None:
    gpu, engine = Gpu(), TensorRtEngine(engine_path)
    assert ("zero-copy" if gpu.integrated else "page-locked") in engine.describe()
    engine.close()


def test_a_thousand_runs_allocate_no_memory(engine_path: Path) -> None:
    engine = TensorRtEngine(engine_path)
    answers(engine)
    with engine._gpu.current():
        before, _ = engine._gpu.driver.mem_get_info()
    for _ in range(200):
        answers(engine)
    with engine._gpu.current():
        after, _ = engine._gpu.driver.mem_get_info()
    # Other programs may allocate some meanwhile.
    assert before - after < 8 << 20
    engine.close()


@pytest.mark.parametrize("graphs", [True, False])
def test_gpu_time_is_less_than_host_time(engine_path: Path, graphs: bool) -> None:
    engine = TensorRtEngine(engine_path, graphs=graphs)
    assert engine.device_s is None
    for count in BATCHES:
        start = time.perf_counter()
        engine.run({"clip": networks.clips(count)})
        assert 0 < engine.device_s < time.perf_counter() - start
    engine.close()


def test_two_engines_run_concurrently_on_two_threads(engine_path: Path) -> None:
    engines = [TensorRtEngine(engine_path) for _ in range(2)]
    wanted, found = answers(engines[0]), {}

    def work(index: int) -> None:
        found[index] = [answers(engines[index]) for _ in range(50)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for rounds in found.values():
        for given in rounds:
            for one, other in zip(given, wanted, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    for engine in engines:
        engine.close()


def test_results_are_not_overwritten_by_the_next_run(engine_path: Path) -> None:
    engine, clips = TensorRtEngine(engine_path), networks.clips(2)
    first = engine.run({"clip": clips[:1]})["logits"]
    kept = first.copy()
    engine.run({"clip": clips[1:]})
    np.testing.assert_array_equal(first, kept)
    engine.close()


def test_a_batch_larger_than_it_was_built_for_is_refused(engine_path: Path) -> None:
    engine = TensorRtEngine(engine_path)
    with pytest.raises(EngineError, match="outside the engine's 1 to 4"):
        engine.run({"clip": networks.clips(5)})
    engine.close()


def test_closing_frees_all_memory(engine_path: Path) -> None:
    gpu, free = Gpu(), []
    for _ in range(6):
        TensorRtEngine(engine_path).close()
        with gpu.current():
            free.append(gpu.driver.mem_get_info()[0])
    # The first one loads what stays for the process.
    assert free[1] - free[-1] < 8 << 20
