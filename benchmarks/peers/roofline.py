"""Roofline: the networks' share of this machine's peak, and lower bounds of their latency on Jetsons.

    python -m benchmarks.peers.roofline

Peaks are measured in the same run, on one thread as well: ONNX Runtime's product of two 1024 x 1024 matrices in FP32,
and in INT8 with int32 sums; a copy between arrays far larger than the caches. All times are processor time of the
process, the 10th percentile over the rounds, because other processes only ever add to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks import command_line
from benchmarks.peers.interleaved import interleaved, write_results
from benchmarks.peers.network_files import pose_files, student_files
from benchmarks.peers.onnx_cost import network_cost
from edge.engines.onnx_runtime import OnnxRuntimeEngine

SIDE = 1024
COPIED_BYTES = 1 << 28
ROUNDS = 20


@dataclass(frozen=True)
class Board:
    """Peaks of a module's GPU as published by NVIDIA, dense (without structured sparsity), at its highest power mode.

    int8_tops, fp16_tflops: Tensor Cores. gb_s: memory bandwidth.
    """

    int8_tops: float
    fp16_tflops: float
    gb_s: float


# NVIDIA publishes peaks with structured sparsity, of INT8 for Orin and of FP4 for Thor; dense is half, and FP16 half of
# INT8. The DLA of Orin NX and AGX Orin is left out. From
# - Orin Nano: data sheet of the Jetson Orin Nano Super Developer Kit, 67 INT8 TOPS sparse, 102 GB/s.
# - Orin NX: data sheet of the series, 100 INT8 TOPS sparse. 40 of it are the DLA's, "comparable to the 15W power mode
#   on Jetson AGX Orin" (github.com/NVIDIA/Deep-Learning-Accelerator-SW), so 60 are the GPU's; half of an AGX Orin's
#   cores make as much at 918 of its 1300 MHz. JetPack 6.2's mode of 40 W has a faster clock.
# - AGX Orin: the table there by power mode, 171 INT8 TOPS sparse of the GPU at MAXN.
# - Bandwidths of these two: the technical specifications at developer.nvidia.com/embedded/jetson-modules, 128 bits of
#   LPDDR5 at 102.4 GB/s and 256 bits at 204.8 GB/s. Read not there but in docs.ultralytics.com/guides/nvidia-jetson,
#   which repeats that table and names it. Both are 6400 million transfers a second by the bus's width.
# - Thor: data sheet of the AGX Thor Developer Kit, 1035 TOPS of sparse INT8, 517 TFLOPS of sparse FP16, 273 GB/s.
BOARDS = {
    "Orin Nano 8GB (Super, 25 W)": Board(33.5, 16.75, 102),
    "Orin NX 16GB (25 W)": Board(30, 15, 102.4),
    "AGX Orin 64GB": Board(85, 42.5, 204.8),
    "Thor T5000": Board(517, 258.5, 273),
}


def peaks() -> dict[str, Callable[[], object]]:
    """Candidates whose times give the machine's peaks."""
    rng = np.random.default_rng(0)
    floats = [rng.standard_normal((SIDE, SIDE)).astype(np.float32) for _ in range(2)]
    integers = [rng.integers(0, 255, (SIDE, SIDE), np.uint8), rng.integers(-127, 127, (SIDE, SIDE), np.int8)]
    source, target = np.ones(COPIED_BYTES // 4, np.float32), np.zeros(COPIED_BYTES // 4, np.float32)
    return {
        "FP32 product": _product("MatMul", floats, (TensorProto.FLOAT,) * 3),
        "INT8 product": _product("MatMulInteger", integers, (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32)),
        "copy": lambda: np.copyto(target, source),
    }


def _product(operator: str, factors: list[Any], kinds: tuple[int, int, int]) -> Callable[[], object]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    # The second factor is a constant, like weights, so that it is packed once.
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", kinds[0], [SIDE, SIDE])],
        [helper.make_tensor_value_info("c", kinds[2], [SIDE, SIDE])],
        [onnx.numpy_helper.from_array(factors[1], "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"a": factors[0]})


def runs(files: dict[str, Path]) -> dict[str, Callable[[], object]]:
    """A candidate for each network, fed with zeros."""

    def candidate(path: Path) -> Callable[[], object]:
        engine = OnnxRuntimeEngine(path, threads=1)
        given = {s.name: np.zeros([n or 1 for n in s.shape], s.dtype) for s in engine.inputs}
        return lambda: engine.run(given)

    return {name: candidate(path) for name, path in files.items()}


def best(times: list[float]) -> float:
    """The 10th percentile, in milliseconds."""
    return float(np.percentile(times, 10))


def floor_ms(operations: int, moved_bytes: int, tera_per_s: float, gb_s: float) -> float:
    """Lower bound of the latency of a network with so many operations and bytes, at these peaks."""
    return max(operations / (1e9 * tera_per_s), moved_bytes / (1e6 * gb_s))


def main() -> None:
    command_line.parser("benchmarks.peers.roofline", __doc__).parse_args()
    files = {f"{name}, {precision}": path for name, precision, path in (*student_files(), *pose_files())}
    costs = {
        name: network_cost(path) for name, _, path in (*student_files(), *pose_files()) if ".int8." not in path.name
    }
    times = interleaved({**peaks(), **runs(files)}, ROUNDS, repeats=5)
    took = {name.removesuffix(" processor"): best(t) for name, t in times.items() if name.endswith("processor")}
    gops = {kind: 2 * SIDE**3 / (1e6 * took[f"{kind} product"]) for kind in ("FP32", "INT8")}
    gb_s = 2 * COPIED_BYTES / (1e6 * took["copy"])
    rows = []
    for name in files:
        network, _, precision = name.rpartition(", ")
        cost, size = costs[network], 1 if precision == "INT8" else 4
        rows.append(
            {
                "network": network,
                "precision": precision,
                "gflop": cost.operations / 1e9,
                "mb": cost.moved_bytes(size) / 1e6,
                "ms": took[name],
                "achieved": cost.operations / (1e6 * took[name]) / gops[precision],
                "floor_ms": floor_ms(cost.operations, cost.moved_bytes(size), gops[precision] / 1e3, gb_s),
                "boards_ms": {
                    board: floor_ms(
                        cost.operations,
                        cost.moved_bytes(1 if precision == "INT8" else 2),
                        peak.int8_tops if precision == "INT8" else peak.fp16_tflops,
                        peak.gb_s,
                    )
                    for board, peak in BOARDS.items()
                },
            }
        )
    found = {"gops": gops, "gb_s": gb_s, "rows": rows, "boards": {n: vars(b) for n, b in BOARDS.items()}}
    write_results("roofline", "python -m benchmarks.peers.roofline", found)


if __name__ == "__main__":
    command_line.run(main)
