"""Where tests find the real data that is not part of the repository."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import fake_tensorrt
import numpy as np
import pytest
from fake_cuda import FakeGpu
from fake_graphs import FakeLibrary

from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, DEMO_CLIP, fetch
from edge.contract.errors import DownloadError

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real recordings, clips and networks; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data folder {SHARED_DATA.name} is not beside the checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def blazepose_files() -> list[Path]:
    """BlazePose's detector and landmark network; the test is skipped where they cannot be had."""
    try:
        return list(fetch(BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS))
    except DownloadError as error:
        pytest.skip(f"BlazePose cannot be fetched: {error.what}")


@pytest.fixture(scope="session")
def people(blazepose_files: list[Path]) -> list[np.ndarray]:
    """Pictures of two people from the demo's clip; the test is skipped where it cannot be had."""
    from readers_folder import walking_people

    try:
        return walking_people(fetch(DEMO_CLIP)[0])
    except DownloadError as error:
        pytest.skip(f"the demo's clip cannot be fetched: {error.what}")


@pytest.fixture(scope="session")
def reader(people: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader of README and docs has, see readers_folder.py: not to be altered, for it takes seconds to make."""
    from readers_folder import fill

    folder = tmp_path_factory.mktemp("reader")
    fill(folder, people)
    return folder


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Puts a board with this TensorRT and GPU under the code, as far as the driver's boundary; tests/gpu has real ones.

    ``board(version, gpu=FakeGpu(...), **options)`` gives the fake ``tensorrt``, whose ``gpu`` is that GPU.
    """

    def put(version: str = "10.3.0", gpu: FakeGpu | None = None, **options) -> ModuleType:
        gpu = gpu or FakeGpu()
        trt = fake_tensorrt.tensorrt(version, gpu=gpu, **options)
        trt.gpu = gpu
        monkeypatch.setitem(sys.modules, "tensorrt", trt)
        for name, module in gpu.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr("edge.engines.tensorrt_engine.driver_library", lambda: FakeLibrary(gpu))
        return trt

    return put
