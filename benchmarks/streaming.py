"""A new frame's cost: the whole clip again, one step of a stream, or one step of the library continual-inference.

    pip install --no-deps --target runs/peers continual-inference==1.2.4
    PYTHONPATH=.:runs/peers python benchmarks/streaming.py [width [rounds [in_a_row]]]

in_a_row: cycles of four frames that each way takes before the next has its turn. With 1 each finds the caches full of
the others' weights, as after a pose network; with 8 mostly of its own.

The networks are kept in runs/streaming and made anew where they are absent.

All with the same weights, one thread, one after the other in every round, so that what else the machine does falls
on all. Wall clock, and the processor time of the thread, which other processes do not lengthen. The library is left
out where it is not installed; PyTorch runs it as it recommends, with BatchNorm folded into the convolutions first.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from streaming_peer import ContinualInference
from torch import nn

from calibrate.quantise import Quantiser
from calibrate.stream import quantise_stream
from edge.contract.layouts import layout
from edge.contract.types import Float32
from edge.engines.onnx_runtime import OnnxRuntimeEngine
from edge.machine import machine
from edge.streaming.network import open_stream, stream_file
from train.export import write_onnx
from train.export_stream import write_stream
from train.networks.dense_gcn import DenseGcn

CLASSES, JOINTS, FRAMES, CYCLE, WARM_UP = 37, "penn-13", 32, 4, 5
PEER_LAG = 3
"""The library's strides fall on the stream's where it starts this much later."""


def student(width: int) -> DenseGcn:
    """A student whose BatchNorm has seen such clips; what its weights are does not matter to time."""
    torch.manual_seed(0)
    network = DenseGcn(CLASSES, layout(JOINTS), 1, width=width)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # or its logits would hardly differ, and a wrong step would not show
    with torch.inference_mode():
        network(torch.from_numpy(walk(8 * FRAMES)).unflatten(2, (8, FRAMES)).transpose(1, 2).flatten(0, 1))
    return network.eval()


def walk(frames: int) -> Float32:
    """Smooth motion (1, 3, T, V, 1)."""
    steps = np.random.default_rng(0).standard_normal((1, 3, frames, len(layout(JOINTS)), 1))
    return (np.cumsum(steps, axis=2) / 10).astype(np.float32)


class Way:
    """One way to take a frame, and what each took."""

    def __init__(self, name: str, take: Callable[[Float32], object], frames: int) -> None:
        self.name, self.take, self.frames = name, take, frames
        self.wall: list[float] = []
        self.processor: list[float] = []

    def run(self, chunk: Float32) -> None:
        """A cycle of four frames, in as many calls as this way needs."""
        for first in range(0, CYCLE, self.frames):
            part = np.ascontiguousarray(chunk[:, :, first : first + self.frames])
            wall, processor = time.perf_counter(), time.thread_time()
            self.take(part)
            self.processor.append(1e3 * (time.thread_time() - processor))
            self.wall.append(1e3 * (time.perf_counter() - wall))


def ways(network: DenseGcn, folder: Path) -> list[Way]:
    folder.mkdir(parents=True, exist_ok=True)
    found, clips = [], walk(8 * FRAMES).reshape(1, 3, 8, FRAMES, -1, 1).transpose(2, 0, 1, 3, 4, 5)
    if not (folder / "clip.onnx").is_file():
        write_onnx(network, np.ascontiguousarray(clips[:2, 0]), folder / "clip.onnx")
    if not (folder / "clip.int8.onnx").is_file():
        Quantiser(folder / "clip.onnx", [np.ascontiguousarray(c) for c in clips], "minmax").write(
            folder / "clip.int8.onnx"
        )
    for precision, file in (("FP32", "clip.onnx"), ("INT8", "clip.int8.onnx")):
        found.append(Way(f"whole clip, {precision}", _ClipAgain(folder / file), 1))
    for frames in (1, CYCLE):
        steps = folder / f"steps_of_{frames}"
        if not (steps / stream_file(CYCLE)).is_file():
            steps.mkdir(exist_ok=True)
            write_stream(network, np.ascontiguousarray(clips[0]), steps, frames=frames)
        if not (steps / stream_file(CYCLE, "int8")).is_file():
            quantise_stream(steps, np.ascontiguousarray(clips[:4, 0]), "minmax")
        for precision in ("fp32", "int8"):
            stream = open_stream(steps, precision, threads=1)
            name = f"step of {frames} frame{'s' * (frames > 1)}, {precision.upper()}"
            found.append(Way(name, _Stepping(stream), frames))
    return found


class _ClipAgain:
    def __init__(self, path: Path) -> None:
        self._engine, self._clip = OnnxRuntimeEngine(path, threads=1), walk(FRAMES)

    def __call__(self, frame: Float32) -> None:
        self._engine.run({"clip": self._clip})


class _Stepping:
    def __init__(self, network: object) -> None:
        self._network, self.person = network, network.fresh()  # type: ignore[attr-defined]

    def __call__(self, frame: Float32) -> Float32 | None:
        return self._network.step(self.person, frame)  # type: ignore[attr-defined,no-any-return]


def difference(stepping: Callable[[Float32], Float32 | None], peer: ContinualInference) -> float:
    """Largest difference of a logit, once both have a full past; the library starts PEER_LAG frames later."""
    largest, compared = 0.0, 0
    for n, frame in enumerate(np.split(walk(120), 120, axis=2)):
        logits = stepping(np.ascontiguousarray(frame))
        other = peer(frame) if n >= PEER_LAG else None
        if n >= 90 and logits is not None:
            assert other is not None, "the two answer at different frames"
            largest, compared = max(largest, float(np.abs(logits - other).max())), compared + 1
    assert compared
    return largest


def main() -> None:
    given = [int(n) for n in sys.argv[1:]]
    width, rounds, in_a_row = [*given, *(48, 200, 1)[len(given) :]]
    torch.set_num_threads(1)
    network, frames = student(width), walk(CYCLE * (rounds + WARM_UP))
    folder = Path("runs/streaming") / str(width)
    measured = ways(network, folder)
    with torch.inference_mode():
        peer = ContinualInference.of(network, FRAMES // CYCLE)
        note = "continual-inference is not installed"
        if peer is not None:
            gap = difference(_Stepping(open_stream(folder / "steps_of_1", threads=1)), peer)
            note = f"largest difference of a logit to continual-inference {peer.version}: {gap:.1e}"
            measured.append(Way(f"continual-inference {peer.version}, PyTorch", peer, 1))
        for chunk in np.split(frames, rounds + WARM_UP, axis=2):
            for way in measured:
                for _ in range(in_a_row):
                    way.run(chunk)
    table = Table("one new frame", "p50 ms", "p90 ms", "mean ms", "of the clip's mean", "wall p50", "wall p90")
    for way in measured:
        first = in_a_row * WARM_UP * CYCLE // way.frames
        took, wall = (np.array(times[first:]) / way.frames for times in (way.processor, way.wall))
        whole = np.mean(measured["INT8" in way.name].processor)
        numbers = (*np.percentile(took, [50, 90]), took.mean())
        table.add_row(
            way.name,
            *(f"{x:.3f}" for x in numbers),
            f"1/{whole / took.mean():.1f}",
            *(f"{x:.3f}" for x in np.percentile(wall, [50, 90])),
        )
    console = Console(width=140)
    about = machine()
    console.print(table, note, f"dense_gcn {width}, {FRAMES} frames, 1 thread; {about['cpu']}, {about['versions']}")


if __name__ == "__main__":
    main()
