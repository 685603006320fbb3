"""The student network: clips in, probabilities out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from edge.contract.bundle import REFERENCE, STUDENT_ENGINE, STUDENT_FP32, STUDENT_INT8, Bundle
from edge.contract.errors import BundleError, EngineError
from edge.contract.types import Float32
from edge.engines.engine import Engine, TimedEngine
from edge.engines.registry import open_engine
from edge.recognition.clip_buffer import ClipBuffer
from edge.recognition.pairing import paired_clips
from edge.recognition.self_test import SelfTest, self_test

Precision = Literal["int8", "fp32"]
Form = Literal["auto", "clip", "stream"]
STUDENTS: Mapping[Precision, str] = {"int8": STUDENT_INT8, "fp32": STUDENT_FP32}

MAX_BATCH = 4
"""Clips per run of a network with a dynamic batch axis and no limit; also the default that engines are built for."""

SELF_TEST_CLIPS = 16
"""Reference clips that are run at a start, which would take long with all of them; `make verify` runs them all."""


@dataclass(frozen=True)
class RecogniserConfig:
    """How the student runs."""

    precision: Precision | None = None
    """int8 or fp32; by default int8 if the bundle has it. An engine built beside the bundle's ONNX file is used instead
    of it."""
    threads: int = 0
    """CPU threads of the network, 0 for as many as there are cores. Without effect on a GPU."""
    network: Path | None = None
    """Another file of the same student, .onnx or .engine; precision is then ignored."""
    form: Form = "auto"
    """clip: read a whole clip at each decision. stream: process frame by frame, with states instead of clips;
    decisions come when the network completes a cycle, at 15 Hz every 0.27 s at most. auto: stream where the bundle has
    that form, it is within the bundle's accuracy budget of the clip form, and costs less at this rate of decisions."""


class Recogniser:
    """Runs the student on the clips of several people in one batch. See :class:`edge.recognition.form.Student`.

    engine: input (N, C, T, V, M) float32 clips, output (N, K) logits, N fixed or dynamic. bodies: M.
    Raises EngineError if the engine's tensors are not those of the bundle's manifest.
    """

    every_frame = False

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self._manifest, self.bodies = bundle.manifest, bundle.manifest.input_shape[-1]
        self._engine = TimedEngine(engine)
        check_tensors(bundle, engine)
        clips = engine.inputs[0]
        fixed = clips.shape[0]
        self._batch, self._pad = fixed or clips.max_batch or MAX_BATCH, fixed is not None

    @property
    def network_s(self) -> float:
        """Seconds spent inside the network so far."""
        return self._engine.busy_s

    def describe(self) -> str:
        return f"{self._manifest.name}, {len(self._manifest.classes)} classes, {self._engine.describe()}"

    def close(self) -> None:
        self._engine.close()

    def read(
        self, buffers: Mapping[int, ClipBuffer], asked: Sequence[int], end_s: float
    ) -> Iterator[tuple[int, float, Float32]]:
        """Of each person the clip that ends at ``end_s``."""
        rows = self.recognise(paired_clips(buffers, asked, end_s, self.bodies))
        for track_id, row in zip(asked, rows, strict=True):
            yield track_id, buffers[track_id].fill, row

    def recognise(self, clips: Sequence[Float32]) -> Float32:
        """(N, K) probabilities of N clips (C, T, V, M). Raises EngineError if the network's output is not finite."""
        return softmax(self.logits(np.stack(clips)))

    def logits(self, clips: Float32) -> Float32:
        """Logits (N, K) of at least one clip (N, C, T, V, M)."""
        return np.concatenate([self._run(clips[i : i + self._batch]) for i in range(0, len(clips), self._batch)])

    def self_test(self, bundle: Bundle) -> SelfTest:
        """Run the first of the bundle's reference clips. Raises BundleError if they do not fit the network."""
        return self_test(bundle, REFERENCE, self.logits, SELF_TEST_CLIPS)

    def _run(self, clips: Float32) -> Float32:
        """Logits of clips that fit into one batch."""
        count = len(clips)
        batch = np.zeros((self._batch if self._pad else count, *self._manifest.input_shape[1:]), np.float32)
        batch[:count] = clips
        logits: Float32 = self._engine.run({self._manifest.input_name: batch})[self._manifest.output_name][:count]
        if not np.isfinite(logits).all():
            raise EngineError(
                "the network returned NaN or infinite values",
                where=self._engine.describe(),
                hint="run `python -m edge check`; build the engine or calibrate the bundle again",
            )
        return logits


def open_recogniser(bundle: Bundle, config: RecogniserConfig) -> Recogniser:
    """The bundle's student, or the engine built from it, ready to run.

    Raises BundleError if the bundle has no student of that precision, EngineError if the runtime refuses it.
    """
    return Recogniser(bundle, open_engine(network_file(bundle, config), threads=config.threads))


def precision_of(bundle: Bundle, config: RecogniserConfig) -> Precision:
    """The one in ``config``, else int8 if the bundle has it, else fp32."""
    return config.precision or ("int8" if STUDENT_INT8 in bundle.manifest.files else "fp32")


def network_file(bundle: Bundle, config: RecogniserConfig) -> Path:
    """The file in ``config``, else :func:`student_file`."""
    return config.network or student_file(bundle, precision_of(bundle, config))


def student_file(bundle: Bundle, precision: Precision) -> Path:
    """The .engine beside the student's ONNX file if there is one, else the ONNX file with its checksum verified."""
    name = STUDENTS[precision]
    if name not in bundle.manifest.files:
        raise BundleError(
            f"the bundle has no {precision} student ({name})",
            where=bundle.folder,
            hint="make it with `python -m calibrate student`, or choose the other precision"
            if precision == "int8"
            else "choose int8",
        )
    # Built from this file, or selected among all precisions by `python -m calibrate engine` on this device.
    for engine in ((bundle.folder / name).with_suffix(".engine"), bundle.folder / STUDENT_ENGINE):
        if engine.is_file():
            return engine
    return bundle.file(name)


def softmax(logits: Float32) -> Float32:
    """(N, K) probabilities, each row summing to 1."""
    powers: Float32 = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Float32 = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def check_tensors(bundle: Bundle, engine: Engine) -> None:
    """Raise EngineError if the engine's tensors are not those of the bundle's manifest."""
    manifest = bundle.manifest
    mismatch = partial(EngineError, where=engine.describe(), hint=f"it does not belong to the bundle {bundle.folder}")
    inputs, outputs = [s.name for s in engine.inputs], [s.name for s in engine.outputs]
    if inputs != [manifest.input_name] or outputs != [manifest.output_name]:
        raise mismatch(
            f"the network has inputs {inputs} and outputs {outputs}, the manifest says "
            f"[{manifest.input_name!r}] and [{manifest.output_name!r}]"
        )
    clips, logits = engine.inputs[0], engine.outputs[0]
    if clips.shape[1:] != manifest.input_shape[1:] or clips.dtype != np.float32:
        raise mismatch(f"the network's input is {clips.dtype} {clips.shape}, the manifest says {manifest.input_shape}")
    if logits.shape[1:] != (len(manifest.classes),):
        raise mismatch(f"the network's output is {logits.shape}, the manifest has {len(manifest.classes)} classes")
