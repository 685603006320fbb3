"""What the gate and the engine builder share: one view of TensorRT 8.5 to 11 and TensorRT-RTX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge.contract.errors import EngineError


@dataclass(frozen=True)
class ParserError:
    """Why TensorRT refuses a network. node and operator are empty where it does not say."""

    node: str
    operator: str
    message: str

    def __str__(self) -> str:
        return f"{self.node} ({self.operator}): {self.message}" if self.node else self.message


class Builder:
    """A TensorRT builder with the messages it logged.

    trt: the module ``tensorrt`` or ``tensorrt_rtx``. Raises EngineError where it finds no driver.
    """

    def __init__(self, trt: Any) -> None:
        self.trt = trt
        self.errors: list[str] = []
        self._logger = _logger(trt, self.errors)
        try:
            self.builder = trt.Builder(self._logger)
        except TypeError as error:
            # pybind11's words for "the factory gave none" are all that TensorRT says without a driver.
            raise EngineError(
                f"TensorRT {trt.__version__} finds no NVIDIA driver or GPU on this machine",
                hint="build the engine on the device that will run it",
            ) from error

    def parse(self, model: bytes) -> tuple[Any, list[ParserError]]:
        """The network of an ONNX file's bytes, and what the parser has against it; none if all is well."""
        flags = self.trt.NetworkDefinitionCreationFlag
        # Needed before TensorRT 10, ignored by 10, gone from 11.
        explicit = getattr(flags, "EXPLICIT_BATCH", None)
        network = self.builder.create_network(0 if explicit is None else 1 << int(explicit))
        # The network reads weights from the parser's memory, so the parser has to stay.
        self._parser = self.trt.OnnxParser(network, self._logger)
        if self._parser.parse(model):
            return network, []
        found = [_parser_error(self._parser.get_error(i)) for i in range(self._parser.num_errors)]
        return network, found or [ParserError("", "", "; ".join(self.errors) or "the parser gave no reason")]

    def config(self, workspace_mib: int) -> Any:
        config = self.builder.create_builder_config()
        config.set_memory_pool_limit(self.trt.MemoryPoolType.WORKSPACE, workspace_mib << 20)
        return config

    def has_flag(self, name: str) -> bool:
        """Whether this version is told precisions by flags; from 11 on the ONNX file alone decides."""
        return hasattr(self.trt.BuilderFlag, name)

    def allow(self, config: Any, name: str) -> bool:
        """Let kernels use a precision, INT8 or FP16; False where this version has no flag for it."""
        if not self.has_flag(name):
            return False
        config.set_flag(getattr(self.trt.BuilderFlag, name))
        return True

    def use_dla(self, config: Any, core: int) -> None:
        """Build for a deep-learning accelerator, and for the GPU what it cannot run.

        Raises EngineError on a board without that core.
        """
        cores = self.builder.num_DLA_cores
        if core >= cores:
            raise EngineError(
                f"this board has {cores or 'no'} DLA cores, so there is no core {core}",
                hint="leave dla_core out to use the GPU",
            )
        config.default_device_type = self.trt.DeviceType.DLA
        config.DLA_core = core
        config.set_flag(self.trt.BuilderFlag.GPU_FALLBACK)

    def profile(self, network: Any, config: Any, batch: tuple[int, int, int]) -> None:
        """Give inputs with a free batch axis their least, usual and greatest batch.

        Raises EngineError where any other axis is free.
        """
        profile = self.builder.create_optimization_profile()
        free = [t for t in map(network.get_input, range(network.num_inputs)) if -1 in tuple(t.shape)]
        for tensor in free:
            rest = tuple(tensor.shape)[1:]
            if -1 in rest:
                raise EngineError(
                    f"input {tensor.name} {tuple(tensor.shape)} has a free axis besides the batch",
                    hint="export the network with fixed sizes",
                )
            profile.set_shape(tensor.name, *((n, *rest) for n in batch))
        if free:
            config.add_optimization_profile(profile)

    def build(self, network: Any, config: Any) -> bytes:
        """Serialised engine; EngineError with TensorRT's own words where it cannot be built."""
        engine = self.builder.build_serialized_network(network, config)
        if engine is None:
            raise EngineError(f"TensorRT cannot build it: {'; '.join(self.errors) or 'no reason was given'}")
        return bytes(engine)


def _parser_error(error: Any) -> ParserError:
    # Node and operator by name came with 10; before there is only the node's index.
    node = error.node_name() if hasattr(error, "node_name") else f"node {error.node()}"
    operator = error.node_operator() if hasattr(error, "node_operator") else "?"
    return ParserError(node, operator, error.desc())


def _logger(trt: Any, errors: list[str]) -> Any:
    class Collecting(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            # pybind11 requires the base's own initialiser.
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                errors.append(message)

    return Collecting()
