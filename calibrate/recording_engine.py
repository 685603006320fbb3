"""Record an engine's inputs, so that networks are calibrated on exactly what the device feeds them."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edge.engines.engine import Arrays, Engine


class RecordingEngine:
    """An :class:`edge.engines.engine.Engine`. recorded: inputs of every run, copied because callers reuse arrays."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self.recorded: list[dict[str, NDArray[Any]]] = []

    @property
    def device_s(self) -> float | None:
        return self._engine.device_s

    def describe(self) -> str:
        return self._engine.describe()

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        self.recorded.append({name: array.copy() for name, array in inputs.items()})
        return self._engine.run(inputs)

    def close(self) -> None:
        self._engine.close()
