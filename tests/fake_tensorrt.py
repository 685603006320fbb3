"""A fake of TensorRT's builder, with the names that the versions from 8.5 to 11 have, and no others.

An "engine" doubles its input unless ``compute`` is given. Names and parameters are those of the real bindings:
tests/calibrate/test_tensorrt_names.py compares them with recordings of every generation and with an installed
TensorRT.
"""

import ctypes
import json
import os
import signal
import weakref
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
from fake_cuda import FakeGpu, Misuse
from fake_engine import add_runtime


def doubled(flags: set[str], clips: np.ndarray) -> np.ndarray:
    return 2 * clips


def tensorrt(
    version: str = "10.3.0",
    *,
    gpu: FakeGpu | None = None,
    no_driver: bool = False,
    will_not_start: str | None = None,
    will_not_build: str | None = None,
    refuses: str | None = None,
    shape: tuple[int, ...] = (-1, 3, 4),
    inputs: Mapping[str, tuple[int, ...]] | None = None,
    outputs: tuple[str, ...] = ("logits",),
    kinds: Mapping[str, str] | None = None,
    compute: Callable[..., Any] = doubled,
    dla_cores: int = 0,
    interrupted: bool = False,
    hangs: bool = False,
    **runtime: Any,
) -> ModuleType:
    """The module. ``built`` describes the last build, ``parsed`` is the last network's bytes.

    refuses: the parser's error for any network. shape: of the input "clip", unless ``inputs`` is given.
    kinds: types of tensors that are not FLOAT. will_not_start, will_not_build: the logged error of a builder or runtime
    that does not start, and of a build that fails. interrupted: Ctrl-C during the build. hangs: the build prints a line
    and never ends. compute, runtime: see :func:`fake_engine.add_runtime`.
    """
    major = int(version.split(".")[0])
    takes = dict(inputs or {"clip": shape})
    trt = ModuleType("tensorrt")
    trt.__spec__ = ModuleSpec("tensorrt", None)
    trt.__version__ = version
    trt.built, trt.parsed = None, b""
    trt.registered, trt.needs_plugin = False, False
    # The parser turns it into a plugin of TensorRT's own; neither parser nor runtime registers those.
    plugin = "InstanceNormalization" if major < 10 else "ScatterElements"
    kept: list[Any] = []

    def listen(logger: Any) -> None:
        """TensorRT uses the first logger for the whole process, without holding a reference."""
        kept.append(weakref.ref(logger))
        if kept[0]() is not logger:
            raise Misuse("another logger than the first, which TensorRT still uses")

    def complain(text: str) -> None:
        if kept[0]() is None:
            raise Misuse("the logger has gone")
        kept[0]().log(ILogger.Severity.ERROR, text)

    def start(logger: Any) -> None:
        """The start of a builder or runtime."""
        if gpu is not None and not no_driver:
            gpu.needs_context()
        listen(logger)
        if will_not_start:
            complain(will_not_start)
        if no_driver or will_not_start:
            raise TypeError("pybind11::init(): factory function returned nullptr")

    def init_libnvinfer_plugins(logger: Any, namespace: str) -> bool:
        listen(logger)
        trt.registered = True
        return True

    def lacks_plugin() -> bool:
        if trt.needs_plugin and not trt.registered:
            complain(f"getPluginCreator could not find plugin: {plugin}")
        return trt.needs_plugin and not trt.registered

    class ILogger:
        Severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2, INFO=3, VERBOSE=4)

        def log(self, severity: int, msg: str) -> None:
            raise NotImplementedError

    class INetworkDefinition:
        num_inputs = len(takes)

        def get_input(self, index: int) -> SimpleNamespace:
            name = list(takes)[index]
            return SimpleNamespace(name=name, shape=takes[name])

    class IOptimizationProfile:
        def __init__(self) -> None:
            self._shapes: dict[str, list[tuple[int, ...]]] = {}

        def set_shape(self, input: str, min: tuple, opt: tuple, max: tuple) -> None:
            self._shapes[input] = [min, opt, max]

    class ITimingCache:
        def __init__(self, blob: bytes) -> None:
            self._known = blob

        def serialize(self) -> bytes:
            return self._known

        def _add(self, model: onnx.ModelProto) -> None:
            kept = self._known.splitlines() or [f"timings of {version}".encode()]
            timed = (str(node).replace("\n", " ").encode() for node in model.graph.node)
            self._known = b"\n".join(dict.fromkeys([*kept, *timed]))

    class IBuilderConfig:
        __slots__ = ("DLA_core", "_cache", "_flags", "_limit", "_profiles", "default_device_type") + (
            ("progress_monitor",) if major >= 10 else ()
        )

        def __init__(self) -> None:
            # Every version from 8.5 to 11 allows TF32 by default.
            self._flags, self._profiles, self._limit, self._cache = {"TF32"}, [], 0, None
            self.DLA_core, self.default_device_type = -1, trt.DeviceType.GPU

        def set_memory_pool_limit(self, pool: str, pool_size: int) -> None:
            assert pool == "workspace"
            self._limit = pool_size

        def set_flag(self, flag: str) -> None:
            self._flags.add(flag)

        def clear_flag(self, flag: str) -> None:
            self._flags.discard(flag)

        def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
            self._profiles.append(profile)
            return len(self._profiles) - 1

        def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
            is_whole = serialized_timing_cache[:7] in (b"", b"timings")
            return ITimingCache(serialized_timing_cache) if is_whole else None

        def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
            if cache._known.splitlines()[:1] not in ([], [f"timings of {version}".encode()]) and not ignore_mismatch:
                complain("The timing cache will not be used!")
                return False
            self._cache = cache
            return True

        def get_timing_cache(self) -> ITimingCache | None:
            return self._cache

    class Builder:
        num_DLA_cores = dla_cores

        def __init__(self, logger: ILogger) -> None:
            start(logger)

        def create_network(self, flags: int = 0) -> INetworkDefinition:
            if flags != (1 if major < 10 else 0) and not (major == 10 and flags == 1):
                raise Misuse("an implicit batch, which no ONNX file can have")
            return INetworkDefinition()

        def create_builder_config(self) -> IBuilderConfig:
            return IBuilderConfig()

        def create_optimization_profile(self) -> IOptimizationProfile:
            return IOptimizationProfile()

        def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> bytes | None:
            if gpu is not None:
                gpu.needs_context()
            shapes = [profile._shapes for profile in config._profiles]
            device = SimpleNamespace(kind=config.default_device_type, core=config.DLA_core)
            trt.built = SimpleNamespace(
                flags=config._flags, profiles=shapes, limit=config._limit, device=device, known=config._cache._known
            )
            free = {name for name, sizes in takes.items() if -1 in sizes}
            if free and not (shapes and all(set(profile) == free for profile in shapes)):
                complain("an input with a free axis has no optimisation profile")
                return None
            if major >= 10:
                # A warning before. One per kernel that cannot run a layer, even if the build succeeds.
                complain("Error Code: 9: Skipping tactic 0xaa15e43058248292 due to exception canImplement")
            if will_not_build:
                complain(will_not_build)
                return None
            if hangs:
                print("building", flush=True)
                lock = ctypes.create_string_buffer(64)  # a mutex; no signal ends the wait for it
                ctypes.CDLL(None).pthread_mutex_lock(lock)
                ctypes.CDLL(None).pthread_mutex_lock(lock)
            if major >= 10 and not _report(config.progress_monitor):
                return None
            config._cache._add(onnx.load_from_string(trt.parsed))
            on_dla = device.kind == trt.DeviceType.DLA
            about = {"inputs": takes, "outputs": outputs, "kinds": dict(kinds or {}), "on_dla": on_dla}
            about |= {"plugin": trt.needs_plugin, "profiles": shapes, "flags": sorted(config._flags)}
            return json.dumps(about).encode()

    class ParserError:
        def desc(self) -> str:
            return refuses or ""

        def node(self) -> int:
            return 1

        if major >= 10:

            def node_name(self) -> str:
                return onnx.load_from_string(trt.parsed).graph.node[1].name

            def node_operator(self) -> str:
                return onnx.load_from_string(trt.parsed).graph.node[1].op_type

    class OnnxParser:
        num_errors = 1

        def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
            pass

        def parse(self, model: bytes) -> bool:
            trt.parsed = model
            trt.needs_plugin = plugin in {node.op_type for node in onnx.load_from_string(model).graph.node}
            return refuses is None and not lacks_plugin()

        def get_error(self, index: int) -> ParserError:
            return ParserError()

    def _report(monitor: Any) -> bool:
        """Report progress; whether to continue the build."""
        monitor.phase_start("Building engine", None, 2)
        monitor.phase_start("Timing", "Building engine", 7)
        if interrupted:
            os.kill(os.getpid(), signal.SIGINT)
        go_on = monitor.step_complete("Building engine", 1)
        monitor.phase_finish("Timing")
        monitor.phase_finish("Building engine")
        return go_on

    trt.complain, trt.start, trt.lacks_plugin = complain, start, lacks_plugin
    trt.init_libnvinfer_plugins = init_libnvinfer_plugins
    trt.ILogger, trt.Builder, trt.OnnxParser, trt.ParserError = ILogger, Builder, OnnxParser, ParserError
    trt.INetworkDefinition, trt.IBuilderConfig, trt.ITimingCache = INetworkDefinition, IBuilderConfig, ITimingCache
    trt.IOptimizationProfile = IOptimizationProfile
    trt.MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
    trt.NetworkDefinitionCreationFlag = SimpleNamespace(
        **{"EXPLICIT_BATCH": 0}
        if major < 10
        else {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}
        if major == 10
        else {"STRONGLY_TYPED": 0}
    )
    trt.DeviceType = SimpleNamespace(GPU="gpu", DLA="dla")
    flags = ("INT8", "FP16", "TF32", "GPU_FALLBACK") if major < 11 else ("TF32", "GPU_FALLBACK")
    trt.BuilderFlag = SimpleNamespace(**{flag: flag for flag in flags})
    if major >= 10:
        trt.IProgressMonitor = type("IProgressMonitor", (), {"__init__": lambda self: None})
    if gpu is not None:
        add_runtime(trt, gpu, compute, **runtime)
    return trt
