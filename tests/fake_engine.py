"""A fake of TensorRT's runtime on a fake GPU: engines whose outputs a function computes.

It reproduces what TensorRT does but its interface does not state: up to 8.6 no two contexts share an optimisation
profile; the first run of a shape cannot be captured; a captured graph holds for the context, shape and addresses of
that time; outputs may be listed before inputs; an engine does not store its DLA core, and runs on the first one unless
the runtime is told before deserialisation.
"""

import json
import weakref
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from fake_cuda import FakeGpu, Misuse

NUMPY = {"FLOAT": np.float32, "HALF": np.float16, "UINT8": np.uint8, "INT32": np.int32, "INT64": np.int64}


def add_runtime(
    trt: ModuleType,
    gpu: FakeGpu,
    compute: Callable[..., Any],
    *,
    recordable: bool = True,
    kernel_ms: Callable[[set[str], int], float] = lambda flags, batch: 1.0,
) -> None:
    """compute: maps the builder's flags and the inputs to the output, or a tuple of outputs.

    ``trt.ran_on`` lists the DLA core of every run.
    """
    generation = int(trt.__version__.split(".")[0])
    trt.ran_on = []

    class ICudaEngine:
        def __init__(self, blob: bytes, dla_core: int) -> None:
            self._about, self._dla_core = json.loads(blob), dla_core
            self._profiles: dict[int, Any] = {}

        @property
        def num_io_tensors(self) -> int:
            return len(self._names)

        @property
        def num_optimization_profiles(self) -> int:
            return max(len(self._about["profiles"]), 1)

        @property
        def _names(self) -> list[str]:
            return [*self._about["outputs"], *self._about["inputs"]]

        def get_tensor_name(self, index: int) -> str:
            return self._names[index]

        def get_tensor_mode(self, name: str) -> str:
            return trt.TensorIOMode.INPUT if name in self._about["inputs"] else trt.TensorIOMode.OUTPUT

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            if name in self._about["inputs"]:
                return tuple(self._about["inputs"][name])
            # With fixed-size profiles TensorRT 8.5 states the outputs' size too, that of the first profile.
            fixed = not self._about["profiles"] or all(
                low == high for low, _, high in self._about["profiles"][0].values()
            )
            first = self._about["profiles"][0] if self._about["profiles"] else {}
            least = {n: first[n][0] if n in first else shape for n, shape in self._about["inputs"].items()}
            shape = self._gives(least)[name]
            return shape if fixed else (-1, *shape[1:])

        def get_tensor_dtype(self, name: str) -> SimpleNamespace:
            return SimpleNamespace(name=self._about["kinds"].get(name, "FLOAT"))

        def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
            return [tuple(shape) for shape in self._about["profiles"][profile_index][name]]

        def create_execution_context(self) -> "IExecutionContext":
            gpu.needs_context()
            return IExecutionContext(self)

        def _answers(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            answer = compute(set(self._about["flags"]), *given.values())
            return dict(zip(self._about["outputs"], answer if isinstance(answer, tuple) else (answer,), strict=True))

        def _gives(self, shapes: dict[str, Any]) -> dict[str, tuple[int, ...]]:
            zeros = {n: np.zeros(s, NUMPY[self._about["kinds"].get(n, "FLOAT")]) for n, s in shapes.items()}
            return {name: answer.shape for name, answer in self._answers(zeros).items()}

    class IExecutionContext:
        def __init__(self, engine: ICudaEngine) -> None:
            self._engine, self._addresses, self._warm = engine, {}, False
            self._shapes = {n: tuple(s) for n, s in engine._about["inputs"].items() if -1 not in s}
            self._profile = None
            if generation >= 10 or self._is_free(0):
                self._take(0)

        def __del__(self) -> None:
            gpu.aborted = gpu.aborted or bool(gpu.lost)

        def _is_free(self, index: int) -> bool:
            taken = self._engine._profiles.get(index, lambda: None)()
            return taken is None or taken is self

        def _take(self, index: int) -> None:
            self._profile = index
            self._engine._profiles[index] = weakref.ref(self)

        def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
            assert stream_handle in gpu.streams
            if generation < 10 and not self._is_free(profile_index):
                raise RuntimeError("Error in set optimization profile async.")
            self._take(profile_index)
            return True

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            if self._profile is None:
                return False
            least, _, most = self._engine.get_tensor_profile_shape(name, self._profile)
            if not all(low <= n <= high for low, n, high in zip(least, shape, most, strict=True)):
                return False
            if self._shapes.get(name) != tuple(shape):
                self._warm = False
            self._shapes[name] = tuple(shape)
            return True

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return self._shapes[name] if name in self._shapes else self._engine._gives(self._ordered())[name]

        def _ordered(self) -> dict[str, tuple[int, ...]]:
            return {name: self._shapes[name] for name in self._engine._about["inputs"]}

        def set_tensor_address(self, name: str, memory: int) -> bool:
            assert name in self._engine._names
            gpu.at(memory)
            self._addresses[name] = memory
            return True

        def execute_async_v3(self, stream_handle: int) -> bool:
            stream = gpu.streams[stream_handle]
            if set(self._addresses) != set(self._engine._names):
                raise Misuse("a tensor has no address")
            if stream.recorded is not None and not (recordable and self._warm):
                stream.invalid = True
                trt.complain("this engine cannot be recorded")
                return False
            self._warm = True
            stream.add(self._kernel())
            return True

        def _kernel(self) -> Callable[[], None]:
            alive, state = weakref.ref(self), (self._ordered(), dict(self._addresses))

            def run() -> None:
                context = alive()
                if context is None:
                    raise Misuse("a kernel runs whose context is gone")
                if state != (context._ordered(), context._addresses):
                    raise Misuse("a kernel runs that was recorded for other shapes or addresses")
                context._compute()

            return run

        def _compute(self) -> None:
            given = {n: self._memory(n, s) for n, s in self._ordered().items()}
            for name, answer in self._engine._answers({n: array.copy() for n, array in given.items()}).items():
                self._memory(name, answer.shape)[...] = answer
            if self._engine._about["on_dla"]:
                trt.ran_on.append(max(self._engine._dla_core, 0))
            flags = set(self._engine._about["flags"])
            gpu.clock_ms += kernel_ms(flags, next(iter(given.values())).shape[0])

        def _memory(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
            kind = np.dtype(NUMPY[self._engine._about["kinds"].get(name, "FLOAT")])
            memory = gpu.at(self._addresses[name]).checked(int(np.prod(shape)) * kind.itemsize)
            return memory.view(kind).reshape(shape)

    class Runtime:
        DLA_core = -1

        def __init__(self, logger: Any) -> None:
            trt.start(logger)

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
            if not serialized_engine.startswith(b"{"):
                trt.complain("magic tag does not match")
                return None
            trt.needs_plugin = json.loads(serialized_engine)["plugin"]
            if trt.lacks_plugin():
                return None
            return ICudaEngine(serialized_engine, self.DLA_core)

    trt.Runtime, trt.ICudaEngine, trt.IExecutionContext = Runtime, ICudaEngine, IExecutionContext
    trt.TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")
