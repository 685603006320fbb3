"""One boundary for every inference runtime: named arrays in, named arrays out."""

from __future__ import annotations

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
    """A tensor a network takes or gives. ``shape`` holds None for an axis of any length.

    max_batch: the most of a batch axis of any length in one run, None where there is no limit.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    max_batch: int | None = None


class Engine(Protocol):
    """A network ready to run.

    describe: one phrase with runtime, version, precision and threads, for every table of figures.
    run: takes every input by name, returns every output; raises EngineError for a missing or
        unknown name, a wrong shape or dtype. Not safe to call from two threads at once.
    device_s: seconds that the network took in the last run by the GPU's own clock (CUDA events), without
        copies and without the host; None before the first run, and where the runtime has no such clock.
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
    """An engine that can be bound to arrays, so that a run costs no more than the network: nothing is looked up,
    checked or allocated in it. What ``bind`` is given must fit the engine's tensors and be contiguous."""

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], None]: ...


def bind(engine: Engine, inputs: Arrays, outputs: Arrays) -> Callable[[], None]:
    """A run that reads the arrays ``inputs`` and writes into the arrays ``outputs``, as often as it is called.

    No array may be both. Raises EngineError for arrays that do not fit.
    """
    for specs, arrays in ((engine.inputs, inputs), (engine.outputs, outputs)):
        check_inputs(specs, arrays, engine.describe())
    if isinstance(engine, Bindable):
        return engine.bind(inputs, outputs)

    def run() -> None:
        given = engine.run(inputs)
        for name, array in outputs.items():
            np.copyto(array, given[name])

    return run


class TimedEngine:
    """An engine that adds up the seconds spent inside it, so that the loop can tell its own time apart."""

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
        """See :class:`Bindable`; to bring arrays in and out is inside, as in ``run``."""
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


def on_cpu(runtime: str, path: Path, threads: int) -> str:
    """Describes an engine on the CPU. runtime: its name and version. threads: 0 is as many as there are cores."""
    return f"{runtime}, CPU, {file_precision(path)}, {threads or 'all'} thread{'' if threads == 1 else 's'}"


def file_precision(path: Path) -> str:
    """Precision of a network file by its name."""
    return "INT8" if "int8" in path.name else "FP32"


def check_inputs(specs: tuple[TensorSpec, ...], given: Arrays, where: str) -> None:
    """EngineError unless ``given`` has exactly the named inputs with fitting shapes and dtypes."""
    if {s.name for s in specs} != set(given):
        raise EngineError(
            f"inputs are {', '.join(s.name for s in specs)}, but {', '.join(given) or 'none'} were given", where=where
        )
    for spec in specs:
        array = given[spec.name]
        fits = len(array.shape) == len(spec.shape) and all(
            want in (None, have) for want, have in zip(spec.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != spec.dtype:
            raise EngineError(
                f"input {spec.name} takes {spec.dtype} {spec.shape}, got {array.dtype} {array.shape}", where=where
            )
