"""A pytest plugin that runs tests/gpu with a fake TensorRT and GPU; engines compute what ONNX Runtime does.

It checks that those tests work up to the driver, not what a GPU would return.
"""

import sys
from importlib.machinery import ModuleSpec
from types import SimpleNamespace

import fake_tensorrt
import networks
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from fake_cuda import FakeGpu
from fake_graphs import FakeLibrary


@pytest.fixture(autouse=True, scope="session")
def gpu_in_memory():
    """Replaces the machine's TensorRT and pycuda."""
    gpu = FakeGpu(integrated=False)

    def compute(flags, *arrays: np.ndarray):
        session = ort.InferenceSession(trt.parsed)
        return session.run(None, dict(zip((i.name for i in session.get_inputs()), arrays, strict=True)))[0]

    shape = (-1, 3, networks.FRAMES, networks.JOINTS, 1)
    trt = fake_tensorrt.tensorrt(gpu=gpu, shape=shape, compute=compute)

    class OnnxParser(trt.OnnxParser):
        """Refuses what TensorRT 8.5 does: one operator, and computed kernels of a shape that is not stated."""

        def parse(self, model: bytes) -> bool:
            graph = onnx.load_from_string(model).graph
            constants = {i.name for i in graph.initializer}
            self._refused = [
                n
                for n in graph.node
                if n.op_type == "Det"
                or (
                    n.op_type == "Conv"
                    and n.input[1] not in constants
                    and all(a.name != "kernel_shape" for a in n.attribute)
                )
            ]
            return super().parse(model) and not self._refused

        def get_error(self, index: int) -> SimpleNamespace:
            node = self._refused[index]
            said = {"node_name": node.name, "node_operator": node.op_type, "desc": "unsupported", "node": 0}
            return SimpleNamespace(**{name: lambda value=value: value for name, value in said.items()})

    trt.OnnxParser, trt.__spec__ = OnnxParser, ModuleSpec("tensorrt", None)
    modules = gpu.modules()
    modules["pycuda.driver"].mem_get_info = lambda: (1 << 30, 1 << 30)
    with pytest.MonkeyPatch.context() as patch:
        for name, module in {"tensorrt": trt, **modules}.items():
            patch.setitem(sys.modules, name, module)
        patch.setattr("edge.engines.tensorrt_engine.driver_library", lambda: FakeLibrary(gpu))
        yield


@pytest.fixture(autouse=True, scope="session")
def gpu_machine(gpu_in_memory):
    """Overrides the fixture of tests/gpu, which requires a real GPU."""
