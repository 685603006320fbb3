"""List the kernels that TensorRT-RTX makes of a network, from its builder's log; needs no GPU.

python tensorrt_kernels.py NETWORK.onnx TARGET prints them as JSON. It runs in its own process, because TensorRT uses
the first logger of a process, and the list is a log message.
"""

import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kernel:
    """kind: correlation for a convolution, gemm, or kgen for generated code. reads, gives: types of its tensors.

    nodes: the ONNX nodes that it computes.
    """

    kind: str
    reads: tuple[str, ...]
    gives: tuple[str, ...]
    nodes: tuple[str, ...]


def kernels(listed: str) -> list[Kernel]:
    """Parse the lines that begin with "Name:" in the builder's message."""
    return [_kernel(line) for line in listed.splitlines() if line.startswith("Name:")]


def _kernel(line: str) -> Kernel:
    def types(begin: str, end: str) -> tuple[str, ...]:
        part = line[line.index(begin) : line.index(end)]
        return tuple(re.findall(r"Datatype: (\w+)", part))

    kind = re.search(r"LayerType: (\w+)", line)
    assert kind is not None
    nodes = tuple(re.findall(r"\[ONNX Layer: ([^\]]*)\]", line))
    return Kernel(kind[1], types("Inputs:", "Constants:"), types("Outputs:", "TacticName:"), nodes)


def build(network: Path, target: str) -> list[Kernel]:
    import tensorrt_rtx as trt

    from calibrate.quantisation.onnx_graph import read_onnx
    from calibrate.tensorrt.qdq_fusion import fusible

    messages: list[str] = []

    class RecordingLogger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: trt.ILogger.Severity, message: str) -> None:
            messages.append(message)

    logger = RecordingLogger()
    builder = trt.Builder(logger)
    parsed = builder.create_network(0)
    parser = trt.OnnxParser(parsed, logger)
    assert parser.parse(fusible(read_onnx(network)).SerializeToString())
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, target), 0)
    for tensor in map(parsed.get_input, range(parsed.num_inputs)):
        profile.set_shape(tensor.name, *[tuple(abs(n) for n in tensor.shape)] * 3)
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(parsed, config)
    return [kernel for message in messages for kernel in kernels(message)]


if __name__ == "__main__":
    print(json.dumps([asdict(kernel) for kernel in build(Path(sys.argv[1]), sys.argv[2])]))
