"""What the gate and the engine builder share: one view of TensorRT 8.5 to 11 and TensorRT-RTX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx

from calibrate.tensorrt.parser_errors import ParserError, parser_error
from edge.contract.errors import EngineError
from edge.engines.tensorrt_log import Complaints


def batches_up_to(most: int) -> list[int]:
    """1, 2, 4 and so on, and ``most``: a batch between two costs at most twice its share."""
    return sorted({most, *(2**power for power in range(most.bit_length()))})


class Builder:
    """A TensorRT builder with the messages it logged.

    trt: the module ``tensorrt`` or ``tensorrt_rtx``. Raises EngineError where it does not start.
    """

    def __init__(self, trt: Any) -> None:
        self.trt = trt
        self._said = Complaints(trt)
        try:
            self.builder = trt.Builder(self._said.logger)
        except TypeError as error:
            # pybind11's words for "the factory gave none" are all that TensorRT says without a driver.
            without = "it finds no NVIDIA driver or GPU on this machine"
            raise EngineError(
                f"TensorRT {trt.__version__} does not start: {self._said.text(without)}",
                hint="build the engine on the device that will run it",
            ) from error

    def parse(self, model: onnx.ModelProto) -> tuple[Any, list[ParserError]]:
        """The network of an ONNX file, and what the parser has against it; none if all is well."""
        flags = self.trt.NetworkDefinitionCreationFlag
        # Needed before TensorRT 10, ignored by 10, gone from 11, whose networks are all strongly typed.
        explicit = getattr(flags, "EXPLICIT_BATCH", None)
        network = self.builder.create_network(0 if explicit is None else 1 << int(explicit))
        # The network reads weights from the parser's memory, so the parser has to stay.
        self._parser = self.trt.OnnxParser(network, self._said.logger)
        if self._parser.parse(model.SerializeToString()):
            return network, []
        found = [parser_error(self._parser.get_error(i), model) for i in range(self._parser.num_errors)]
        return network, found or [ParserError("", "", self._said.text("the parser gave no reason"))]

    def config(self, workspace_mib: int) -> Any:
        config = self.builder.create_builder_config()
        config.set_memory_pool_limit(self.trt.MemoryPoolType.WORKSPACE, workspace_mib << 20)
        return config

    def has_flag(self, name: str) -> bool:
        """Whether this version is told precisions by flags; from 11 on the ONNX file alone decides."""
        return hasattr(self.trt.BuilderFlag, name)

    def allow(self, config: Any, name: str) -> None:
        """Let kernels use a precision, INT8 or FP16, where the version is told so by a flag."""
        if self.has_flag(name):
            config.set_flag(getattr(self.trt.BuilderFlag, name))

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

    def profiles(self, network: Any, config: Any, batches: Sequence[int]) -> None:
        """Give inputs with a free batch axis an optimisation profile for each batch, with kernels chosen for it alone.

        Raises EngineError where any other axis is free.
        """
        free = [t for t in map(network.get_input, range(network.num_inputs)) if -1 in tuple(t.shape)]
        for tensor in free:
            if -1 in tuple(tensor.shape)[1:]:
                raise EngineError(
                    f"input {tensor.name} {tuple(tensor.shape)} has a free axis besides the batch",
                    hint="export the network with fixed sizes",
                )
        for batch in batches if free else ():
            profile = self.builder.create_optimization_profile()
            for tensor in free:
                # The least, the usual and the greatest are one: such a run can be recorded as a CUDA graph.
                profile.set_shape(tensor.name, *[(batch, *tuple(tensor.shape)[1:])] * 3)
            config.add_optimization_profile(profile)

    def build(self, network: Any, config: Any) -> bytes:
        """Serialised engine; EngineError with TensorRT's own words where it cannot be built."""
        engine = self.builder.build_serialized_network(network, config)
        if engine is None:
            raise EngineError(f"TensorRT cannot build it: {self._said.text('no reason was given')}")
        return bytes(engine)
