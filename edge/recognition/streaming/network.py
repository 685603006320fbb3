"""The networks of a streaming student, one for each depth that a frame reaches. Their states are kept outside them.

Layers behind a stride have work at every second frame only. So there are up to three files, ``stream.1.onnx``,
``stream.2.onnx`` and ``stream.4.onnx``, named by their period in frames: frame n, counted from 1, runs the network with
the greatest period that divides n. The one with the greatest period outputs the logits. The inputs of each are
``frame`` and the states that it updates; it outputs the new states with ``.next`` appended to their names. Where a step
takes four frames, ``stream.4.onnx`` is the only file: the same outputs at the same moments in two thirds of the time.
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
PERIODS = (1, 2, 4)
"""In frames, of the networks that there may be."""


@dataclass
class Stream:
    """The networks' states for one person. frames: number of frames processed.

    States are double buffered: a step reads one buffer of each state and writes the other. Nothing is copied or
    allocated, and what a failed step wrote is never read.
    """

    buffers: dict[str, tuple[Array, Array]]
    periods: Mapping[str, int]
    """Frames after which each state swaps its buffers."""
    frame: Float32
    """Input of a step, besides the states."""
    logits: Float32
    """Output of a step that completes a cycle, besides the states."""
    frames: int = 0
    runs: dict[int, Callable[[], None]] = field(default_factory=dict)
    """Bound steps by frames processed, modulo two cycles: after these every state is in its first buffer again."""

    def buffer(self, name: str, after: int = 0) -> Array:
        """The buffer of the current state, or (after 1) the one that the next step writes."""
        return self.buffers[name][(self.frames // self.periods[name] + after) % 2]


class StreamNetwork:
    """Advances a person's stream step by step. engines: by period in frames.

    frames: new frames in a step. cycle_frames: from one output of logits to the next. network_s: seconds spent inside
    the networks so far.
    Raises EngineError for networks that do not belong together.
    """

    def __init__(self, engines: Mapping[int, Engine]) -> None:
        self._engines = {period: engines[period] for period in sorted(engines, reverse=True)}
        self.network_s = 0.0
        for engine in self._engines.values():
            _check(engine)
        self.cycle_frames, whole = next(iter(self._engines.items()))
        self._updated = {period: _states(engine) for period, engine in self._engines.items()}
        # Networks come by falling period, so the shortest period in which a state is updated stays.
        self._states = {name: spec for states in self._updated.values() for name, spec in states.items()}
        self._periods = {name: period for period, states in self._updated.items() for name in states}
        self._frame = _spec(whole.inputs, FRAME)
        self.frame_shape = _shape(self._frame)
        self.frames, self._two_cycles = self.frame_shape[2], 2 * self.cycle_frames
        self._require_fit(whole)
        self._logits = _spec(whole.outputs, LOGITS)
        self._zeros = _zeros(self._logits)[0]

    def _require_fit(self, whole: Engine) -> None:
        for period, engine in self._engines.items():
            fits = all(spec == self._states[name] for name, spec in self._updated[period].items())
            if not fits or _shape(_spec(engine.inputs, FRAME)) != self.frame_shape or period % self.frames:
                raise EngineError("does not fit the stream's other networks", where=engine.describe())
        if LOGITS not in (spec.name for spec in whole.outputs) or _states(whole).keys() != self._states.keys():
            raise EngineError("has no logits, or lacks a state that the others update", where=whole.describe())
        if self.frames not in self._engines:
            raise EngineError(f"there is no network with a period of {self.frames} frames", where=whole.describe())

    def describe(self) -> str:
        networks = "one network" if len(self._engines) == 1 else f"{len(self._engines)} networks"
        return f"streaming, {networks}, {self._engines[self.cycle_frames].describe()}"

    def close(self) -> None:
        for engine in self._engines.values():
            engine.close()

    def new_stream(self) -> Stream:
        """The stream of a new person, with all states 0."""
        return Stream(
            {name: (_zeros(spec), _zeros(spec)) for name, spec in self._states.items()},
            self._periods,
            _zeros(self._frame),
            _zeros(self._logits),
        )

    def step(self, stream: Stream, frame: Float32) -> Float32 | None:
        """Process ``frames`` new frames (1, C, frames, V, 1). Returns logits (K,) if they complete a cycle, else None.

        Raises EngineError for a frame of another shape and for logits that are not finite; the stream stays as it was.
        """
        if frame.shape != self.frame_shape:
            raise EngineError(f"{FRAME} has the shape {self.frame_shape}, got {frame.shape}", where=self.describe())
        run = stream.runs.get(stream.frames % self._two_cycles)
        if run is None:
            run = stream.runs[stream.frames % self._two_cycles] = self._bind_step(stream)
        stream.frame[:] = frame
        start = time.perf_counter()
        run()
        self.network_s += time.perf_counter() - start
        reached = stream.frames + self.frames
        if reached % self.cycle_frames:
            stream.frames = reached
            return None
        # The dot product with zeros is 0 if all logits are finite, else NaN. A sum takes three times as long.
        if stream.logits[0].dot(self._zeros) != 0:
            raise EngineError("the network returned NaN or infinite values", where=self.describe())
        stream.frames = reached
        logits: Float32 = stream.logits[0].copy()
        return logits

    def logits(self, clips: Float32) -> Float32:
        """Logits (N, K) after the last frame of clips (N, C, T, V, 1), each as a new stream.

        Raises EngineError for clips that end within a cycle.
        """
        found = []
        for clip in clips:
            stream, last = self.new_stream(), None
            for first in range(0, clip.shape[1], self.frames):
                last = self.step(stream, clip[None, :, first : first + self.frames])
            if last is None:
                raise EngineError(f"clips of {clip.shape[1]} frames end within a cycle", where=self.describe())
            found.append(last)
        return np.stack(found)

    def _bind_step(self, stream: Stream) -> Callable[[], None]:
        """Bind the next step of a stream to its buffers."""
        reached = stream.frames + self.frames
        period = next(period for period in self._engines if reached % period == 0)
        engine, names = self._engines[period], self._updated[period]
        inputs = {FRAME: stream.frame, **{name: stream.buffer(name) for name in names}}
        outputs = {name + NEXT: stream.buffer(name, 1) for name in names}
        if period == self.cycle_frames:
            outputs[LOGITS] = stream.logits
        return bind(engine, inputs, outputs)


def stream_file(period: int, precision: str = "fp32") -> str:
    """File name of the network with that period in frames."""
    return f"stream.{period}.int8.onnx" if precision == "int8" else f"stream.{period}.onnx"


def open_stream(folder: Path, precision: str = "fp32", *, threads: int = 0) -> StreamNetwork:
    """The networks in a folder, each as the engine built beside it if there is one.

    Raises EngineError if there are none.
    """
    paths = {period: folder / stream_file(period, precision) for period in PERIODS}
    found = {period: path for period, path in paths.items() if path.is_file()}
    if not found:
        expected = stream_file(PERIODS[-1], precision)
        raise EngineError(f"contains no {precision} networks of a stream, such as {expected}", where=folder)
    built = {period: path.with_suffix(".engine") for period, path in found.items()}
    files = {period: built[period] if built[period].is_file() else path for period, path in found.items()}
    return StreamNetwork({period: open_engine(path, threads=threads) for period, path in files.items()})


def _zeros(spec: TensorSpec) -> Array:
    return np.zeros(_shape(spec), spec.dtype)


def _shape(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(n or 1 for n in spec.shape)


def _spec(specs: Sequence[TensorSpec], name: str) -> TensorSpec:
    return next(spec for spec in specs if spec.name == name)


def _states(engine: Engine) -> dict[str, TensorSpec]:
    """The inputs besides the frame, by name."""
    return {spec.name: spec for spec in engine.inputs if spec.name != FRAME}


def _check(engine: Engine) -> None:
    outputs, inputs = ({spec.name: spec.shape for spec in specs} for specs in (engine.outputs, engine.inputs))
    states = {name: shape for name, shape in inputs.items() if name != FRAME}
    next_states = {name.removesuffix(NEXT): shape for name, shape in outputs.items() if name != LOGITS}
    if len(inputs.get(FRAME, ())) != 5 or states != next_states:
        raise EngineError(
            f"is not a network of a stream: its inputs are {', '.join(inputs)}, its outputs {', '.join(outputs)}",
            where=engine.describe(),
            hint=f"the inputs must be {FRAME} and states, the outputs each state with {NEXT} appended to its name",
        )
