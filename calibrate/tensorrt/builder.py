"""TensorRT's builder, parser and configuration, the same way for TensorRT 8.5 to 11 and TensorRT-RTX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import onnx

from calibrate.tensorrt.parser_errors import ParserError, parser_error
from edge.contract.errors import EngineError
from edge.engines.off_main_thread import off_main_thread
from edge.engines.tensorrt_log import ErrorLog

Precision = Literal["int8", "fp16", "fp32"]

PRECISION_FLAGS: dict[Precision, tuple[str, ...]] = {"int8": ("INT8", "FP16"), "fp16": ("FP16",), "fp32": ()}
"""Reduced precisions that an engine's kernels may use. TensorRT sets TF32 by default; see :meth:`Builder.config`."""


def profile_batches(max_batch: int) -> list[int]:
    """Batch sizes that get their own optimisation profile: the powers of two up to ``max_batch``, and ``max_batch``.

    Any other batch runs as the next larger one, which costs at most twice its share.
    """
    return sorted({max_batch, *(2**power for power in range(max_batch.bit_length()))})


class Builder:
    """A TensorRT builder and the errors it logged.

    trt: the module ``tensorrt`` or ``tensorrt_rtx``. on_gpu: makes the GPU's context current on a thread.
    What takes long runs on a thread of its own, so that Ctrl-C interrupts it.
    Raises EngineError if the builder does not start.
    """

    def __init__(self, trt: Any, on_gpu: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self.trt, self._on_gpu = trt, on_gpu
        self._errors = ErrorLog(trt)
        try:
            self.builder = self._interruptibly(lambda: trt.Builder(self._errors.logger))
        except TypeError as error:
            # TensorRT's factory then returns null, which pybind11 reports as a TypeError. Without a driver and with one
            # that is too old for its CUDA it logs the same warning, and no error.
            default = "it finds no GPU with an NVIDIA driver that is new enough"
            raise EngineError(
                f"TensorRT {trt.__version__} does not start: {self._errors.text(default)}",
                hint="build the engine on the device that will run it; `python -m edge doctor` checks its driver",
            ) from error

    def parse(self, model: onnx.ModelProto) -> tuple[Any, list[ParserError]]:
        """The parsed network and the parser's errors, an empty list on success."""
        flags = self.trt.NetworkDefinitionCreationFlag
        # Required before TensorRT 10, ignored by 10, removed in 11.
        explicit = getattr(flags, "EXPLICIT_BATCH", None)
        network = self.builder.create_network(0 if explicit is None else 1 << int(explicit))
        # The network references weights in the parser's memory, so the parser must stay alive.
        self._parser = self.trt.OnnxParser(network, self._errors.logger)
        if self._interruptibly(lambda: self._parser.parse(model.SerializeToString())):
            return network, []
        found = [parser_error(self._parser.get_error(i), model) for i in range(self._parser.num_errors)]
        return network, found or [ParserError("", "", f"the network: {self._errors.text('no reason given')}")]

    def config(self, workspace_mib: int, precision: Precision) -> Any:
        """A builder configuration for that precision.

        From TensorRT 11 on the types in the ONNX file decide, and INT8 and FP16 have no flags. TF32 is on by default
        from 8.5 to 11; it is turned off for fp32, so that such an engine computes in full single precision.
        """
        config = self.builder.create_builder_config()
        config.set_memory_pool_limit(self.trt.MemoryPoolType.WORKSPACE, workspace_mib << 20)
        for flag in PRECISION_FLAGS[precision]:
            if self.has_flag(flag):
                config.set_flag(getattr(self.trt.BuilderFlag, flag))
        if precision == "fp32":
            config.clear_flag(self.trt.BuilderFlag.TF32)
        return config

    def has_flag(self, name: str) -> bool:
        """Whether this version has that builder flag."""
        return hasattr(self.trt.BuilderFlag, name)

    def use_dla(self, config: Any, core: int) -> None:
        """Build for a DLA core, with the GPU for layers that it cannot run.

        Raises EngineError if the board has no such core.
        """
        cores = self.builder.num_DLA_cores
        if core >= cores:
            raise EngineError(
                f"there is no DLA core {core}: this board has {cores or 'none'}",
                hint="leave dla_core out to use the GPU",
            )
        config.default_device_type = self.trt.DeviceType.DLA
        config.DLA_core = core
        config.set_flag(self.trt.BuilderFlag.GPU_FALLBACK)

    def add_profiles(self, network: Any, config: Any, batches: Sequence[int]) -> None:
        """Add an optimisation profile for each batch size, if the network has a dynamic batch axis.

        Raises EngineError if any other axis is dynamic.
        """
        dynamic = [t for t in map(network.get_input, range(network.num_inputs)) if -1 in tuple(t.shape)]
        for tensor in dynamic:
            if -1 in tuple(tensor.shape)[1:]:
                raise EngineError(
                    f"input {tensor.name} {tuple(tensor.shape)} has a dynamic axis besides the batch",
                    hint="export the network with fixed sizes",
                )
        for batch in batches if dynamic else ():
            profile = self.builder.create_optimization_profile()
            for tensor in dynamic:
                # Equal min, opt and max shapes: a run of fixed shape can be captured as a CUDA graph.
                profile.set_shape(tensor.name, *[(batch, *tuple(tensor.shape)[1:])] * 3)
            config.add_optimization_profile(profile)

    def build(self, network: Any, config: Any) -> bytes:
        """The serialised engine. Raises EngineError with TensorRT's own message if the build fails."""
        # What was logged before is no reason: a timing cache that was not used, for example.
        self._errors.clear()
        engine = self._interruptibly(lambda: self.builder.build_serialized_network(network, config))
        if engine is None:
            raise self._errors.refused("cannot build it")
        return bytes(engine)

    def _interruptibly(self, call: Callable[[], Any]) -> Any:
        def on_gpu() -> Any:
            with self._on_gpu():
                return call()

        return off_main_thread(on_gpu)
