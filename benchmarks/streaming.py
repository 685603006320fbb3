"""Cost of a new frame: the whole clip again, one step of a stream, or one step of the library continual-inference.

    pip install --no-deps --target runs/peers continual-inference==1.2.4
    PYTHONPATH=runs/peers python -m benchmarks.streaming [WIDTH [ROUNDS]]

The networks are in runs/streaming, and exported if missing. All have the same weights and run on one thread. Each
candidate alternates with the whole clip of its own precision, a clip and then a cycle of four frames, so that other
load on the machine affects both and each finds the caches full of the other's weights; candidates change every ten
turns. "cold": before each turn 16 MB are read, as by a pose network, to evict both from the processor's caches. Wall
clock. The library is skipped if it is not installed; PyTorch runs it as it recommends, with BatchNorm folded into the
convolutions.

The last table is the time of the loop's action stage for one second of video with one person at 30 frames per second:
tracking, clips or stream inputs from keypoints, network, decisions. The two forms alternate every second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks import command_line
from benchmarks.streaming_peer import ContinualInference
from benchmarks.untrained import FRAMES, JOINTS, smooth_motion, with_statistics
from calibrate.quantisation.quantise import Quantiser
from calibrate.stream import write_int8_stream
from edge.contract.bundle import STUDENT_FP32, STUDENT_INT8, read_bundle, write_manifest
from edge.contract.layouts import layout
from edge.contract.manifest import Manifest, StreamForm
from edge.contract.preprocess import Preprocessing
from edge.contract.types import Float32, Frame, Pose, PoseResult
from edge.engines.onnx_runtime import OnnxRuntimeEngine
from edge.loop.action_stage import ActionStage
from edge.loop.restarts import Restartable, RestartConfig
from edge.machine import machine
from edge.recognition.decisions import DecisionConfig
from edge.recognition.form import open_student
from edge.recognition.recogniser import STUDENTS, Precision, RecogniserConfig
from edge.recognition.streaming.network import StreamNetwork, open_stream, stream_file
from edge.tracking.tracker import Tracker
from train.export.bundle import write_onnx
from train.export.stream_files import write_stream
from train.networks.dense_gcn import DenseGcn

CLASSES, CYCLE, BLOCK = 37, 4, 10
FPS, PICTURE = 30, np.zeros((8, 8, 3), np.uint8)
PEER_LAG = 3
"""The library's strides coincide with the stream's if it starts this many frames later."""


def student(width: int) -> DenseGcn:
    torch.manual_seed(0)
    network = DenseGcn(CLASSES, layout(JOINTS), 1, width=width)
    with_statistics(network, _eight_clips())
    return network


def _eight_clips() -> Float32:
    """Eight parts of one motion (8, 3, T, V, 1)."""
    return np.concatenate(np.split(smooth_motion(8 * FRAMES), 8, axis=2))


class Candidate:
    """One way to process a cycle of four frames, and its times; with those of the clip that ran before each cycle."""

    def __init__(self, name: str, precision: str, step: Callable[[Float32], object], frames: int) -> None:
        self.name, self.precision, self.step, self.frames = name, precision, step, frames
        self.took_ms: list[float] = []
        self.clip_ms: list[float] = []

    def run(self, chunk: Float32, clip: Callable[[], object], between: Callable[[], object]) -> None:
        """Run a clip, then a cycle in as many steps as this candidate needs."""
        parts = [np.ascontiguousarray(chunk[:, :, n : n + self.frames]) for n in range(0, CYCLE, self.frames)]
        between()
        self.clip_ms.append(_ms(clip))
        between()
        self.took_ms.append(_ms(lambda: [self.step(part) for part in parts]) / CYCLE)


def _ms(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def export(network: DenseGcn, folder: Path) -> None:
    """Write a bundle with both forms in FP32 and INT8, and networks with steps of one frame, unless they exist."""
    clips = _eight_clips()
    if not (folder / STUDENT_INT8).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_onnx(network, clips[:2], folder / STUDENT_FP32)
        Quantiser(folder / STUDENT_FP32, list(clips[:, None]), "minmax").write(folder / STUDENT_INT8)
    for frames, steps in ((CYCLE, folder), (1, folder / "steps_of_1")):
        if not (steps / stream_file(CYCLE, "int8")).is_file():
            steps.mkdir(exist_ok=True)
            write_stream(network, clips[:1], steps, frames=frames)
            write_int8_stream(steps, clips[:4], "minmax", steps)
    how = Preprocessing(length_frames=FRAMES)
    names = tuple(str(n) for n in range(CLASSES))
    shape = (1, 3, FRAMES, len(layout(JOINTS)), 1)
    form = StreamForm(replace(how, centre="trailing"))
    write_manifest(folder, Manifest("random", names, JOINTS, how, "clip", "logits", shape, stream=form))


def candidates(folder: Path) -> list[Candidate]:
    found = []
    for frames, steps in ((CYCLE, folder), (1, folder / "steps_of_1")):
        for precision in ("fp32", "int8"):
            name = f"step of {frames} frame{'s' * (frames > 1)}, {precision.upper()}"
            found.append(Candidate(name, precision, _steps(open_stream(steps, precision, threads=1)), frames))
    return found


def _steps(network: StreamNetwork) -> Callable[[Float32], Float32 | None]:
    return partial(network.step, network.new_stream())


def loop_table(folder: Path, seconds: int) -> Table:
    """Milliseconds of the action stage per second of one person, by form, precision and decision rate."""
    bundle, joints = read_bundle(folder), layout(JOINTS)
    body = np.ones((seconds * FPS, len(joints), 3), np.float32)
    body[..., :2] = 300 + 100 * smooth_motion(len(body))[0, :2, :, :, 0].transpose(1, 2, 0)
    frames = [PoseResult(Frame(n, n / FPS, PICTURE), (Pose(keypoints, 1.0),)) for n, keypoints in enumerate(body)]
    table = Table("precision", "decisions a second", "clips, ms", "stream, ms", "stream of clips")
    for precision in get_args(Precision):
        for hz in (2.0, 5.0, 10.0, 30.0):
            took: dict[str, list[float]] = {"clip": [], "stream": []}
            stages = {}
            for form in ("clip", "stream"):
                config, decisions = RecogniserConfig(precision, threads=1, form=form), DecisionConfig(hz=hz)
                student = Restartable(
                    "action", partial(open_student, bundle, config, decisions), RestartConfig(), print
                )
                stages[form] = ActionStage(bundle, joints, Tracker(joints), student, decisions)
            for second in range(seconds):
                for form, stage in stages.items():
                    due = frames[second * FPS : (second + 1) * FPS]
                    took[form].append(_ms(lambda stage=stage, due=due: [stage.process(s) for s in due]))  # type: ignore[misc]
            clip, stream = (float(np.median(took[form][3:])) for form in ("clip", "stream"))
            table.add_row(precision, f"{hz:g}", f"{clip:.2f}", f"{stream:.2f}", f"{stream / clip:.2f}")
    return table


def difference(stream: Callable[[Float32], Float32 | None], peer: ContinualInference) -> float:
    """Largest difference of a logit once both have a full history; the library starts PEER_LAG frames later."""
    largest, compared = 0.0, 0
    for n, frame in enumerate(np.split(smooth_motion(120), 120, axis=2)):
        logits = stream(np.ascontiguousarray(frame))
        other = peer(frame) if n >= PEER_LAG else None
        if n >= 90 and logits is not None:
            assert other is not None, "the two give outputs at different frames"
            largest, compared = max(largest, float(np.abs(logits - other).max())), compared + 1
    assert compared
    return largest


def _table(kind: str, measured: Sequence[Candidate]) -> Table:
    columns = ("p50 ms", "p90 ms", "mean ms", "clip: p50", "mean", "of the clip: p50", "mean")
    table = Table(f"one new frame, {kind}", *columns)
    for candidate in measured:
        # The first two of each block find the caches full of another candidate's data.
        took, whole = (np.array(times).reshape(-1, BLOCK)[:, 2:] for times in (candidate.took_ms, candidate.clip_ms))
        p50, p90 = np.percentile(took, [50, 90])
        table.add_row(
            candidate.name,
            *(f"{x:.3f}" for x in (p50, p90, took.mean(), np.median(whole), whole.mean())),
            f"1/{np.median(whole) / p50:.1f}",
            f"1/{whole.mean() / took.mean():.1f}",
        )
        candidate.took_ms, candidate.clip_ms = [], []
    return table


def main() -> None:
    parser = command_line.parser("benchmarks.streaming", __doc__)
    parser.add_argument("width", nargs="?", type=int, metavar="WIDTH", default=48, help="default: %(default)s")
    parser.add_argument("rounds", nargs="?", type=int, metavar="ROUNDS", default=200, help="default: %(default)s")
    given = parser.parse_args()
    width, rounds = given.width, given.rounds
    if rounds < BLOCK or rounds % BLOCK:
        parser.error(f"ROUNDS is a multiple of {BLOCK}, not {rounds}")
    torch.set_num_threads(1)
    network, frames = student(width), smooth_motion(CYCLE * rounds)
    folder = Path("runs/streaming") / str(width)
    export(network, folder)
    measured, note = candidates(folder), "continual-inference is not installed"
    peer = ContinualInference.of(network, FRAMES // CYCLE)
    with torch.inference_mode():
        if peer is not None:
            gap = difference(_steps(open_stream(folder / "steps_of_1", threads=1)), peer)
            note = f"largest difference of a logit to continual-inference {peer.version}: {gap:.1e}"
            measured.append(Candidate(f"continual-inference {peer.version}, PyTorch", "fp32", peer, 1))
        clip = smooth_motion(FRAMES)
        students = {p: OnnxRuntimeEngine(folder / STUDENTS[p], threads=1) for p in get_args(Precision)}
        chunks, other = np.split(frames, rounds, axis=2), np.ones(2 << 20)
        tables = []
        for kind, between in (("caches full of the other's", lambda: None), ("cold", other.sum)):
            for first in range(0, rounds, BLOCK):
                for candidate in measured:
                    run_clip = partial(students[candidate.precision].run, {"clip": clip})
                    for chunk in chunks[first : first + BLOCK]:
                        candidate.run(chunk, run_clip, between)
            tables.append(_table(kind, measured))
    console = Console(width=140)
    about = machine()
    console.print(*tables, note)
    console.print(f"dense_gcn {width}, {FRAMES} frames, 1 thread; {about['cpu']}, {about['versions']}")
    console.print(loop_table(folder, 20))


if __name__ == "__main__":
    command_line.run(main)
