"""The network of a streaming student. Its states are kept outside it.

A step takes four new frames, because the student's strides let it give an answer at every fourth. The inputs are
``frame`` and the states; the outputs are ``logits`` and the new states, with ``.next`` appended to their names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
STEP_FRAMES = 4
"""New frames in a step."""
STREAMS = {"fp32": "stream.4.onnx", "int8": "stream.4.int8.onnx"}
"""File names by precision, with the frames of a step."""


@dataclass
class Stream:
    """The network's states for one person. frames: number of frames processed.

    States are double buffered: a step reads one buffer of each state and writes the other. Nothing is copied or
    allocated, and what a failed step wrote is never read.
    """

    buffers: dict[str, tuple[Array, Array]]
    frame: Float32
    """Input of a step, besides the states."""
    logits: Float32
    """Output of a step, besides the states."""
    frames: int = 0
    runs: dict[int, Callable[[], None]] = field(default_factory=dict)
    """The bound steps, by the buffer that they read."""

    @property
    def current(self) -> int:
        """Which buffer holds the states; the next step writes the other."""
        return self.frames // STEP_FRAMES % 2


class StreamNetwork:
    """Advances a person's stream step by step. network_s: seconds spent inside the network so far.

    Raises EngineError for another network than that of a stream.
    """

    def __init__(self, engine: Engine) -> None:
        _check(engine)
        self._engine, self.network_s = engine, 0.0
        self._states = _states(engine.inputs)
        self._frame, self._logits = _spec(engine.inputs, FRAME), _spec(engine.outputs, LOGITS)
        self.frame_shape = _shape(self._frame)
        self._zeros = _zeros(self._logits)[0]

    def describe(self) -> str:
        return f"streaming, {self._engine.describe()}"

    def close(self) -> None:
        self._engine.close()

    def new_stream(self) -> Stream:
        """The stream of a new person, with all states 0."""
        buffers = {name: (_zeros(spec), _zeros(spec)) for name, spec in self._states.items()}
        return Stream(buffers, _zeros(self._frame), _zeros(self._logits))

    def step(self, stream: Stream, frame: Float32) -> Float32:
        """Process new frames (1, C, STEP_FRAMES, V, 1). Returns logits (K,).

        Raises EngineError for frames of another shape and for logits that are not finite; the stream stays as it was.
        """
        if frame.shape != self.frame_shape:
            raise EngineError(f"{FRAME} has the shape {self.frame_shape}, got {frame.shape}", where=self.describe())
        run = stream.runs.get(stream.current)
        if run is None:
            run = stream.runs[stream.current] = self._bind_step(stream)
        stream.frame[:] = frame
        start = time.perf_counter()
        run()
        self.network_s += time.perf_counter() - start
        # The dot product with zeros is 0 if all logits are finite, else NaN. A sum takes three times as long.
        if stream.logits[0].dot(self._zeros) != 0:
            raise EngineError("the network returned NaN or infinite values", where=self.describe())
        stream.frames += STEP_FRAMES
        logits: Float32 = stream.logits[0].copy()
        return logits

    def logits(self, clips: Float32) -> Float32:
        """Logits (N, K) after the last frame of clips (N, C, T, V, 1), each as a new stream.

        Raises EngineError for clips that are not a multiple of a step.
        """
        found = []
        for clip in clips:
            stream = self.new_stream()
            logits = [self.step(stream, step) for step in steps(clip)]
            found.append(logits[-1])
        return np.stack(found)

    def _bind_step(self, stream: Stream) -> Callable[[], None]:
        """Bind the next step of a stream to its buffers."""
        read, written = stream.current, 1 - stream.current
        inputs = {FRAME: stream.frame, **{name: pair[read] for name, pair in stream.buffers.items()}}
        outputs = {LOGITS: stream.logits, **{name + NEXT: pair[written] for name, pair in stream.buffers.items()}}
        return bind(self._engine, inputs, outputs)


def steps(clip: Float32) -> list[Float32]:
    """Cut a clip (C, T, V, 1) into the inputs (1, C, STEP_FRAMES, V, 1) of its steps; the last may be too short."""
    return [clip[None, :, first : first + STEP_FRAMES] for first in range(0, clip.shape[1], STEP_FRAMES)]


def open_stream(folder: Path, precision: str = "fp32", *, threads: int = 0) -> StreamNetwork:
    """The network in a folder, as the engine built beside it if there is one. Raises EngineError if there is none."""
    path = folder / STREAMS[precision]
    if not path.is_file():
        raise EngineError(f"contains no {precision} network of a stream, {path.name}", where=folder)
    built = path.with_suffix(".engine")
    return StreamNetwork(open_engine(built if built.is_file() else path, threads=threads))


def _zeros(spec: TensorSpec) -> Array:
    return np.zeros(_shape(spec), spec.dtype)


def _shape(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(n or 1 for n in spec.shape)


def _spec(specs: Sequence[TensorSpec], name: str) -> TensorSpec:
    return next(spec for spec in specs if spec.name == name)


def _states(inputs: Sequence[TensorSpec]) -> dict[str, TensorSpec]:
    """The inputs besides the frame, by name."""
    return {spec.name: spec for spec in inputs if spec.name != FRAME}


def _check(engine: Engine) -> None:
    outputs, inputs = ({spec.name: spec.shape for spec in specs} for specs in (engine.outputs, engine.inputs))
    states = {name: shape for name, shape in inputs.items() if name != FRAME}
    next_states = {name.removesuffix(NEXT): shape for name, shape in outputs.items() if name != LOGITS}
    frame = inputs.get(FRAME, ())
    if len(frame) != 5 or frame[2] != STEP_FRAMES or LOGITS not in outputs or states != next_states:
        raise EngineError(
            f"is not a network of a stream: its inputs are {', '.join(inputs)}, its outputs {', '.join(outputs)}",
            where=engine.describe(),
            hint=f"the inputs must be {FRAME}, for {STEP_FRAMES} frames, and states; the outputs {LOGITS} and states "
            f"with {NEXT} appended to the name",
        )
