"""The interface of every inference runtime: named arrays in, named arrays out."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import EngineError

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a network. ``shape`` holds None for a dynamic axis.

    max_batch: largest size of a dynamic batch axis in one run, None if there is no limit.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    max_batch: int | None = None


class Engine(Protocol):
    """A network that is ready to run.

    describe: one phrase with runtime, version, precision and threads, for reports.
    run: takes every input by name, returns every output. Raises EngineError for a missing or unknown name, a wrong
        shape or dtype. Not thread-safe.
    device_s: seconds that the last run took on the GPU by its own clock (CUDA events), without copies and host time;
        None before the first run, and if the runtime has no such clock.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def device_s(self) -> float | None: ...

    def describe(self) -> str: ...

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]: ...

    def close(self) -> None: ...


@runtime_checkable
class Bindable(Protocol):
    """An engine whose inputs and outputs can be bound to arrays, so that a run needs no lookup, check or allocation.

    The arrays must fit the engine's tensors and be contiguous.
    """

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], None]: ...


def bind(engine: Engine, inputs: Arrays, outputs: Arrays) -> Callable[[], None]:
    """A function that runs the engine: it reads the arrays ``inputs`` and writes into the arrays ``outputs``.

    No array may be both. Raises EngineError for arrays that do not fit.
    """
    for specs, arrays in ((engine.inputs, inputs), (engine.outputs, outputs)):
        check_arrays(specs, arrays, engine.describe())
    if isinstance(engine, Bindable):
        return engine.bind(inputs, outputs)

    def run() -> None:
        results = engine.run(inputs)
        for name, array in outputs.items():
            np.copyto(array, results[name])

    return run


class TimedEngine:
    """An engine that sums up the seconds spent in its runs, copies included, as ``busy_s``."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self.busy_s = 0.0

    @property
    def device_s(self) -> float | None:
        """Of the last run, not a sum: see :class:`Engine`."""
        return self.engine.device_s

    def describe(self) -> str:
        return self.engine.describe()

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], None]:
        """See :class:`Bindable`."""
        run_bound = bind(self.engine, inputs, outputs)

        def run() -> None:
            start = time.perf_counter()
            run_bound()
            self.busy_s += time.perf_counter() - start

        return run

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        start = time.perf_counter()
        outputs = self.engine.run(inputs)
        self.busy_s += time.perf_counter() - start
        return outputs

    def close(self) -> None:
        self.engine.close()


def describe_cpu_engine(runtime: str, path: Path, threads: int) -> str:
    """runtime: name and version. threads: 0 for one per core."""
    return f"{runtime}, CPU, {file_precision(path)}, {threads or 'all'} thread{'' if threads == 1 else 's'}"


def file_precision(path: Path) -> str:
    """The precision that a network file's name states."""
    return "INT8" if "int8" in path.name else "FP32"


def refused_threads(error: Exception, runtime: str, path: Path) -> EngineError | None:
    """The error to raise if a runtime failed because the system refused a new thread, else None."""
    # ONNX Runtime and OpenVINO raise their own classes; the text of pthread_create's EAGAIN is all they have in common.
    if os.strerror(errno.EAGAIN) not in str(error) and "pthread_create failed" not in str(error):
        return None
    return EngineError(
        f"{runtime} cannot start its threads",
        where=path,
        hint="allow more: ulimit -u, or a container's --pids-limit; or give a smaller number of threads",
    )


def check_arrays(specs: tuple[TensorSpec, ...], given: Arrays, where: str) -> None:
    """Raise EngineError unless ``given`` has exactly the inputs, or outputs, with matching shapes and dtypes."""
    if {s.name for s in specs} != set(given):
        raise EngineError(
            f"its tensors are {', '.join(s.name for s in specs)}, but {', '.join(given) or 'none'} were given",
            where=where,
        )
    for spec in specs:
        array = given[spec.name]
        fits = len(array.shape) == len(spec.shape) and all(
            want in (None, have) for want, have in zip(spec.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != spec.dtype:
            raise EngineError(
                f"tensor {spec.name} takes {spec.dtype} {spec.shape}, got {array.dtype} {array.shape}", where=where
            )
