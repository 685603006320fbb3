"""The networks of a stream, one for each depth that a frame reaches, over one boundary; their states outside them.

Behind a stride a network has work at every second frame only. So there are several files, ``stream.1.onnx``,
``stream.2.onnx`` and ``stream.4.onnx``, named by how often each is due: frame n, counted from 1, takes the one with
the greatest number that divides n. The last one gives logits. Each takes ``frame`` and the states it touches, and
gives those anew with ``.next`` behind their names; states that it does not name stay as they are. Where a step takes
four frames, ``stream.4.onnx`` does it all: the same answers at the same moments for two thirds of the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import EngineError
from edge.contract.types import Float32
from edge.engines.engine import Engine, TensorSpec, bind
from edge.engines.registry import open_engine

Array = NDArray[Any]
FRAME, LOGITS, NEXT = "frame", "logits", ".next"
DUE = (1, 2, 4)
"""How often, in frames, a network may be due."""


@dataclass
class Stream:
    """What the networks know of one person. frames: how many it was given.

    Every state has two places, in turn the one that a step reads and the one that it writes, so that nothing is
    copied or allocated, and what a failed step wrote is never read.
    """

    places: dict[str, tuple[Array, Array]]
    periods: Mapping[str, int]
    """How often, in frames, each state changes place."""
    frame: Float32
    """What a step reads, beside the states."""
    logits: Float32
    """What a step that completes a cycle writes, beside the states."""
    frames: int = 0
    runs: dict[int, Callable[[], None]] = field(default_factory=dict)
    """By frames given, up to two cycles, after which every state is back in its place."""

    @property
    def states(self) -> dict[str, Array]:
        """Name -> array, as they are now."""
        return {name: self.place(name) for name in self.places}

    def place(self, name: str, after: int = 0) -> Array:
        """Where the state is, or (1) where the next step that touches it puts it."""
        return self.places[name][(self.frames // self.periods[name] + after) % 2]


class StreamNetwork:
    """Steps a person's stream. engines: by how often, in frames, each is due.

    frames: new frames (T of ``frame``) in a step. cycle_frames: from one answer to the next. network_s: seconds spent
    inside the networks so far.
    Raises EngineError where the networks do not belong together.
    """

    def __init__(self, engines: Mapping[int, Engine]) -> None:
        self._engines = {due: engines[due] for due in sorted(engines, reverse=True)}
        self.network_s = 0.0
        for engine in self._engines.values():
            _check(engine)
        self.cycle_frames, whole = next(iter(self._engines.items()))
        self._touched = {due: _states(engine) for due, engine in self._engines.items()}
        # Whoever touches a state more often comes later.
        self._states = {name: spec for touched in self._touched.values() for name, spec in touched.items()}
        self._periods = {name: due for due, touched in self._touched.items() for name in touched}
        self._frame = _spec(whole.inputs, FRAME)
        self.frame_shape = _shape(self._frame)
        self.frames, self._two_cycles = self.frame_shape[2], 2 * self.cycle_frames
        self._require_fit(whole)
        self._logits = _spec(whole.outputs, LOGITS)
        self._zeros = _zeros(self._logits)[0]

    def _require_fit(self, whole: Engine) -> None:
        for due, engine in self._engines.items():
            fits = all(spec == self._states[name] for name, spec in self._touched[due].items())
            if not fits or _shape(_spec(engine.inputs, FRAME)) != self.frame_shape or due % self.frames:
                raise EngineError("does not fit the stream's other networks", where=engine.describe())
        if LOGITS not in (spec.name for spec in whole.outputs) or _states(whole).keys() != self._states.keys():
            raise EngineError("gives no logits, or lacks a state that others touch", where=whole.describe())
        if self.frames not in self._engines:
            raise EngineError(f"there is no network for every step of {self.frames} frames", where=whole.describe())

    def describe(self) -> str:
        networks = "one network" if len(self._engines) == 1 else f"{len(self._engines)} networks"
        return f"streaming, {networks}, {self._engines[self.cycle_frames].describe()}"

    def close(self) -> None:
        for engine in self._engines.values():
            engine.close()

    def fresh(self) -> Stream:
        """Before a person's first frame: zeros."""
        return Stream(
            {name: (_zeros(spec), _zeros(spec)) for name, spec in self._states.items()},
            self._periods,
            _zeros(self._frame),
            _zeros(self._logits),
        )

    def step(self, stream: Stream, frame: Float32) -> Float32 | None:
        """The next ``frames`` frames (1, C, frames, V, 1) -> logits (K,) where they complete a cycle, else None.

        Raises EngineError, and leaves the stream as it was, where the logits are not finite, and for a frame of
        another shape.
        """
        if frame.shape != self.frame_shape:
            raise EngineError(f"{FRAME} takes {self.frame_shape}, got {frame.shape}", where=self.describe())
        run = stream.runs.get(stream.frames % self._two_cycles)
        if run is None:
            run = stream.runs[stream.frames % self._two_cycles] = self._bound(stream)
        stream.frame[:] = frame
        start = time.perf_counter()
        run()
        self.network_s += time.perf_counter() - start
        reached = stream.frames + self.frames
        if reached % self.cycle_frames:
            stream.frames = reached
            return None
        # A product with zeros is 0 if all are finite, else NaN; of so few numbers a sum takes three times as long.
        if stream.logits[0].dot(self._zeros) != 0:
            raise EngineError("the network answered with NaN or infinite values", where=self.describe())
        stream.frames = reached
        answer: Float32 = stream.logits[0].copy()
        return answer

    def logits(self, clips: Float32) -> Float32:
        """(N, K) after the last frame of clips (N, C, T, V, 1), each of somebody new. EngineError within a cycle."""
        found = []
        for clip in clips:
            stream, last = self.fresh(), None
            for first in range(0, clip.shape[1], self.frames):
                last = self.step(stream, clip[None, :, first : first + self.frames])
            if last is None:
                raise EngineError(f"clips of {clip.shape[1]} frames end within a cycle", where=self.describe())
            found.append(last)
        return np.stack(found)

    def _bound(self, stream: Stream) -> Callable[[], None]:
        """The next step of this stream, from where its states are now into their other places."""
        reached = stream.frames + self.frames
        due = next(due for due in self._engines if reached % due == 0)
        engine, names = self._engines[due], self._touched[due]
        inputs = {FRAME: stream.frame, **{name: stream.place(name) for name in names}}
        outputs = {name + NEXT: stream.place(name, 1) for name in names}
        if due == self.cycle_frames:
            outputs[LOGITS] = stream.logits
        return bind(engine, inputs, outputs)


def stream_file(due: int, precision: str = "fp32") -> str:
    """Name of the network that is due every so many frames."""
    return f"stream.{due}.int8.onnx" if precision == "int8" else f"stream.{due}.onnx"


def open_stream(folder: Path, precision: str = "fp32", *, threads: int = 0) -> StreamNetwork:
    """The networks of a folder; an engine built beside one is used instead. EngineError where there is none."""
    paths = {due: folder / stream_file(due, precision) for due in DUE}
    found = {due: path for due, path in paths.items() if path.is_file()}
    if not found:
        wanted = stream_file(DUE[-1], precision)
        raise EngineError(f"holds no {precision} networks of a stream, such as {wanted}", where=folder)
    built = {due: path.with_suffix(".engine") for due, path in found.items()}
    return StreamNetwork(
        {due: open_engine(built[due] if built[due].is_file() else path, threads=threads) for due, path in found.items()}
    )


def _zeros(spec: TensorSpec) -> Array:
    return np.zeros(_shape(spec), spec.dtype)


def _shape(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(n or 1 for n in spec.shape)


def _spec(specs: Sequence[TensorSpec], name: str) -> TensorSpec:
    return next(spec for spec in specs if spec.name == name)


def _states(engine: Engine) -> dict[str, TensorSpec]:
    """What a network takes beside the frame, by name."""
    return {spec.name: spec for spec in engine.inputs if spec.name != FRAME}


def _check(engine: Engine) -> None:
    given, taken = ({spec.name: spec.shape for spec in specs} for specs in (engine.outputs, engine.inputs))
    states = {name: shape for name, shape in taken.items() if name != FRAME}
    returned = {name.removesuffix(NEXT): shape for name, shape in given.items() if name != LOGITS}
    if len(taken.get(FRAME, ())) != 5 or states != returned:
        raise EngineError(
            f"is no network of a stream: it takes {', '.join(taken)} and gives {', '.join(given)}",
            where=engine.describe(),
            hint=f"it takes {FRAME} and states, and gives each state with {NEXT} behind its name",
        )
