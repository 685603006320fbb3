"""The driver boundary in memory: as much of ``tensorrt`` and ``pycuda`` as the engine and its builder call.

An "engine" doubles its input, unless told what to compute. Two generations are offered, because the builder's
interface changed between them: 8.5, and 11, which lacks what 8.5 has and has what 8.5 lacks.
"""

import json
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np


def doubled(flags: set[str], clips: np.ndarray) -> np.ndarray:
    return 2 * clips


def tensorrt(
    version: str = "10.3.0",
    *,
    no_driver: bool = False,
    refuses: str | None = None,
    shape: tuple[int, ...] = (-1, 3, 4),
    compute: Callable[[set[str], np.ndarray], np.ndarray] = doubled,
    dla_cores: int = 0,
) -> ModuleType:
    """The module; its ``built`` is the last configuration, ``parsed`` the last network's bytes.

    refuses: the parser's complaint about any network. shape: of the one input. compute: given the flags that an engine
    was built with and its input, what it gives.
    """
    major = int(version.split(".")[0])
    trt = ModuleType("tensorrt")
    trt.__version__ = version
    trt.built, trt.parsed = None, b""

    class ILogger:
        Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2, INFO=3, VERBOSE=4)

    class Logger(ILogger):
        ERROR = 1

        def __init__(self, level: int = 2) -> None:
            pass

    class Network:
        num_inputs = 1

        def get_input(self, index: int) -> SimpleNamespace:
            return SimpleNamespace(name="clip", shape=shape)

    class Profile:
        def set_shape(self, name: str, *shapes: tuple[int, ...]) -> None:
            self.shapes = {name: shapes}

    class Config:
        def __init__(self) -> None:
            self.flags: set[str] = set()
            self.profiles: list[Profile] = []
            self.limit = 0

        def set_memory_pool_limit(self, pool: str, limit: int) -> None:
            self.limit = limit

        def set_flag(self, flag: str) -> None:
            self.flags.add(flag)

        def add_optimization_profile(self, profile: Profile) -> None:
            self.profiles.append(profile)

        def create_timing_cache(self, blob: bytes) -> SimpleNamespace:
            return SimpleNamespace(known=blob, serialize=lambda: f"timings of {version}".encode())

        def set_timing_cache(self, cache: SimpleNamespace, ignore_mismatch: bool) -> bool:
            self.cache = cache
            return cache.known in (b"", f"timings of {version}".encode())

    class Builder:
        num_DLA_cores = dla_cores

        def __init__(self, logger: ILogger) -> None:
            if no_driver:
                raise TypeError("pybind11::init(): factory function returned nullptr")

        def create_network(self, flags: int) -> Network:
            assert flags == (1 if major < 11 else 0)
            return Network()

        def create_builder_config(self) -> Config:
            return Config()

        def create_optimization_profile(self) -> Profile:
            return Profile()

        def build_serialized_network(self, network: Network, config: Config) -> bytes:
            trt.built = config
            if major >= 10:
                monitor = config.progress_monitor
                monitor.phase_start("Building engine", None, 2)
                monitor.phase_start("Timing", "Building engine", 7)
                assert monitor.step_complete("Building engine", 1)
                monitor.phase_finish("Timing")
                monitor.phase_finish("Building engine")
            most = config.profiles[0].shapes["clip"][2][0] if config.profiles else shape[0]
            return json.dumps({"shape": shape, "most": most, "flags": sorted(config.flags)}).encode()

    class OnnxParser:
        num_errors = 1

        def __init__(self, network: Network, logger: ILogger) -> None:
            pass

        def parse(self, model: bytes) -> bool:
            trt.parsed = model
            return refuses is None

        def get_error(self, index: int) -> SimpleNamespace:
            error = SimpleNamespace(desc=lambda: refuses, node=lambda: 7)
            if major >= 10:
                error.node_name, error.node_operator = lambda: "conv_7", lambda: "Conv"
            return error

    class Runtime:
        def __init__(self, logger: ILogger) -> None:
            pass

        def deserialize_cuda_engine(self, blob: bytes) -> "Engine":
            return Engine(json.loads(blob))

    class Engine:
        num_io_tensors = 2

        def __init__(self, about: dict) -> None:
            self.about = about

        def get_tensor_name(self, index: int) -> str:
            return ["clip", "logits"][index]

        def get_tensor_mode(self, name: str) -> str:
            return "in" if name == "clip" else "out"

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            given = self.about["shape"]
            return tuple(given) if name == "clip" else (given[0], *gives(self.about, given)[1:])

        def get_tensor_dtype(self, name: str) -> SimpleNamespace:
            return SimpleNamespace(name="FLOAT")

        def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
            return [(n, *self.about["shape"][1:]) for n in (1, 1, self.about["most"])]

        def create_execution_context(self) -> "Context":
            return Context(self.about)

    class Context:
        def __init__(self, about: dict) -> None:
            self.about, self.addresses, self.shape = about, {}, None

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            self.shape = tuple(shape)
            return shape[0] <= self.about["most"]

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return self.shape if name == "clip" else gives(self.about, self.shape)

        def set_tensor_address(self, name: str, address: int) -> None:
            self.addresses[name] = address

        def execute_async_v3(self, stream: int) -> bool:
            clip, logits = (Memory.at[self.addresses[name]].array for name in ("clip", "logits"))
            given = clip[: np.prod(self.shape)].reshape(self.shape)
            out = compute(set(self.about["flags"]), given).ravel()
            logits[: out.size] = out
            return True

    def gives(about: dict, given: Sequence[int]) -> tuple[int, ...]:
        return compute(set(about["flags"]), np.zeros((max(given[0], 1), *given[1:]), np.float32)).shape

    trt.ILogger, trt.Logger, trt.Builder, trt.OnnxParser, trt.Runtime = ILogger, Logger, Builder, OnnxParser, Runtime
    trt.TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")
    trt.MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
    flags = {"EXPLICIT_BATCH": 0} if major < 11 else {"STRONGLY_TYPED": 1}
    trt.NetworkDefinitionCreationFlag = SimpleNamespace(**flags)
    trt.DeviceType = SimpleNamespace(GPU="gpu", DLA="dla")
    flags = ("INT8", "FP16", "GPU_FALLBACK") if major < 11 else ("GPU_FALLBACK",)
    trt.BuilderFlag = SimpleNamespace(**{flag: flag for flag in flags})
    if major >= 10:
        trt.IProgressMonitor = type("IProgressMonitor", (), {"__init__": lambda self: None})
    return trt


class Memory:
    """Device memory: an address, and the array that lies there."""

    at: ClassVar[dict[int, "Memory"]] = {}

    def __init__(self, size: int) -> None:
        self.array = np.zeros(size // 4, np.float32)
        self.freed = False
        Memory.at[id(self)] = self

    def __int__(self) -> int:
        return id(self)

    def free(self) -> None:
        self.freed = True


def pycuda(gpu: str = "Orin", compute_capability: tuple[int, int] = (8, 7)) -> dict[str, ModuleType]:
    """The modules ``pycuda`` and ``pycuda.driver``, by name."""
    driver = ModuleType("pycuda.driver")
    driver.current = 0

    def push() -> None:
        driver.current += 1

    def pop() -> None:
        driver.current -= 1

    def copy_in(device: Memory, host: np.ndarray, stream: object) -> None:
        assert driver.current == 1
        device.array[: host.size] = host

    def copy_out(host: np.ndarray, device: Memory, stream: object) -> None:
        assert driver.current == 1
        host[:] = device.array[: host.size]

    context = SimpleNamespace(push=push, pop=pop, detach=lambda: None)
    device = SimpleNamespace(
        name=lambda: gpu, compute_capability=lambda: compute_capability, retain_primary_context=lambda: context
    )
    driver.Error = type("Error", (Exception,), {})
    driver.init = lambda: None
    driver.Device = lambda index: device
    driver.Stream = lambda: SimpleNamespace(handle=1, synchronize=lambda: None)
    driver.mem_alloc = Memory
    driver.pagelocked_empty = np.empty
    driver.memcpy_htod_async, driver.memcpy_dtoh_async = copy_in, copy_out
    package = ModuleType("pycuda")
    package.driver = driver
    return {"pycuda": package, "pycuda.driver": driver}
