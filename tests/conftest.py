"""Fixtures for all tests: real data from outside the repository, and a board with TensorRT and a GPU."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import fake_tensorrt
import numpy as np
import pytest
from fake_cuda import FakeGpu
from fake_graphs import FakeLibrary
from hypothesis import settings

from edge.assets import BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS, DEMO_CLIP, fetch
from edge.contract.errors import DownloadError

pytest_plugins = ["bad_input.machines"]
# The same examples everywhere, so that a change fails by its own fault; for others: --hypothesis-profile default. A
# busy machine may take any time for one, and the first one may import a library.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real recordings, clips and networks; skips the test if it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data folder {SHARED_DATA.name} is not beside the checkout")
    return SHARED_DATA


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """A shell's background jobs, and what they start, are told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def blazepose_files() -> list[Path]:
    """BlazePose's detector and landmark network; skips the test if they cannot be downloaded."""
    try:
        return list(fetch(BLAZEPOSE_DETECTOR, BLAZEPOSE_LANDMARKS))
    except DownloadError as error:
        pytest.skip(f"BlazePose cannot be fetched: {error.what}")


@pytest.fixture(scope="session")
def people(blazepose_files: list[Path]) -> list[np.ndarray]:
    """Images of two people from the demo's video; skips the test if it cannot be downloaded."""
    from docs_workspace import walking_people

    try:
        return walking_people(fetch(DEMO_CLIP)[0])
    except DownloadError as error:
        pytest.skip(f"the demo's video cannot be fetched: {error.what}")


@pytest.fixture(scope="session")
def docs_workspace(people: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that commands in README and docs use, see docs_workspace.py. Shared, so do not change it: copy it."""
    from docs_workspace import fill

    folder = tmp_path_factory.mktemp("docs")
    fill(folder, people)
    return folder


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Replace TensorRT, pycuda and the driver by fakes; tests/gpu uses real ones.

    ``board(version, gpu=FakeGpu(...), **options)`` installs them and returns the fake ``tensorrt``, whose ``gpu`` is
    that GPU.
    """

    def install(version: str = "10.3.0", gpu: FakeGpu | None = None, **options) -> ModuleType:
        gpu = gpu or FakeGpu()
        trt = fake_tensorrt.tensorrt(version, gpu=gpu, **options)
        trt.gpu = gpu
        monkeypatch.setitem(sys.modules, "tensorrt", trt)
        for name, module in gpu.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr("edge.engines.tensorrt_engine.driver_library", lambda: FakeLibrary(gpu))
        return trt

    return install
