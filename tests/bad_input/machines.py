"""The machines that rows of the table are run on, as fixtures."""

import sys

import pytest


@pytest.fixture
def laptop(monkeypatch):
    """No TensorRT, no screen."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def orin(laptop, board):
    """TensorRT 10.3 and an Orin, as far as their Python packages tell."""
    board("10.3.0")


@pytest.fixture
def orin_without_pycuda(orin, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)


@pytest.fixture
def orin_without_driver(orin, monkeypatch, tmp_path_factory):
    """pycuda as it is in a container to which nobody gave the GPU."""
    package = tmp_path_factory.mktemp("site") / "pycuda"
    package.mkdir()
    (package / "__init__.py").write_text("")
    missing = "libcuda.so.1: cannot open shared object file: No such file or directory"
    (package / "driver.py").write_text(f"raise ImportError({missing!r})\n")
    for name in ("pycuda", "pycuda.driver"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(package.parent))


@pytest.fixture
def orin_that_refuses_this_user(orin, monkeypatch):
    start_fails(monkeypatch, "operation not supported")


@pytest.fixture
def orin_that_hides_its_gpu(orin, monkeypatch):
    start_fails(monkeypatch, "no CUDA-capable device is detected")


def start_fails(monkeypatch, why):
    driver = sys.modules["pycuda.driver"]

    def fails():
        raise driver.Error(f"cuInit failed: {why}")

    monkeypatch.setattr(driver, "init", fails)


@pytest.fixture
def orin_without_gpu(laptop, board):
    board(no_driver=True)


@pytest.fixture
def orin_without_memory(orin, monkeypatch):
    def fails(runtime, serialized_engine):
        sys.modules["tensorrt"].complain("Error Code 1: Cuda Runtime (out of memory)")

    monkeypatch.setattr(sys.modules["tensorrt"].Runtime, "deserialize_cuda_engine", fails)


@pytest.fixture
def orin_with_a_fault(orin, monkeypatch):
    """A kernel that accesses memory of nobody, after which the driver refuses everything."""
    trt, fault = sys.modules["tensorrt"], "an illegal memory access was encountered"

    def fails(runtime, serialized_engine):
        trt.gpu.lost = fault
        trt.complain(f"Error Code 1: Cuda Runtime ({fault})")

    monkeypatch.setattr(trt.Runtime, "deserialize_cuda_engine", fails)


@pytest.fixture
def orin_that_refuses_padding(laptop, board):
    board(refuses="unsupported padding")


@pytest.fixture
def onnxruntime_for_another_numpy(laptop, monkeypatch, tmp_path_factory):
    """As a package that was built against numpy 1 answers to numpy 2."""
    package = tmp_path_factory.mktemp("site") / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").write_text('raise ImportError("numpy.core.multiarray failed to import")')
    for name in [name for name in sys.modules if name.split(".")[0] == "onnxruntime"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(package.parent))


@pytest.fixture
def orin_with_cores_that_are_off(laptop, monkeypatch, tmp_path):
    """An Orin Nano in mode 7W, as ONNX Runtime's wheel for Python 3.10 answers to it."""
    for name, cores in {"online": "0-3", "present": "0-5"}.items():
        (tmp_path / name).write_text(f"{cores}\n")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr("edge.engines.offline_cores.CORES", f"{tmp_path}/")
    monkeypatch.setattr("edge.engines.offline_cores.onnx_runtime_version", lambda: "1.23.2")
    monkeypatch.setattr("edge.engines.offline_cores.COMMAND", (sys.executable, "-c", "import os; os.abort()"))


@pytest.fixture
def opencv_without_windows(laptop, monkeypatch):
    """A screen, and the OpenCV of servers, as it answers when a window is tried."""
    monkeypatch.setenv("DISPLAY", ":0")
    said = "error: (-2:Unspecified error) The function is not implemented. Rebuild the library with Windows, GTK+ 2.x"
    monkeypatch.setattr("edge.sinks.window.COMMAND", (sys.executable, "-c", f"raise SystemExit({said!r})"))


@pytest.fixture
def python_without_paho(laptop, monkeypatch):
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)


@pytest.fixture
def screen_that_is_not_there(laptop, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":97")
