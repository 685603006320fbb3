"""What an engine loses: of a student in decisions and top-1, of a pose network in people found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from calibrate.calibration_set import LabelledClips
from calibrate.evaluation.compare import Array, agreement, logits_of, top1
from calibrate.evaluation.compare_poses import people_agreement
from calibrate.pose_inputs import Family, estimator
from calibrate.recording_engine import RecordingEngine
from edge.contract.types import Float32, Image, Pose
from edge.engines.engine import Engine
from edge.pose.estimator import PoseEstimator

DECIDING = "checking decisions"
"""Said beside the bar."""


@dataclass(frozen=True)
class Loss:
    """Against the reference: agreement in percent, top1_drop in points or None without labels."""

    agreement: float
    top1_drop: float | None = None


@dataclass(frozen=True)
class Evaluator:
    """sample: one input, for timing. loss: given an engine, what it loses against ``reference``, which is described."""

    reference: str
    sample: Array
    loss: Callable[[Engine], Loss]


def logits_evaluator(clips: Float32, logits: Float32, reference: str) -> Evaluator:
    """Decisions on clips (N, C, T, V, M) against the logits (N, K) that are known for them."""

    def loss(engine: Engine) -> Loss:
        return Loss(100 * agreement(logits, logits_of(engine, clips, DECIDING)))

    return Evaluator(reference, clips[:1], loss)


def labels_evaluator(fp32: Engine, test: LabelledClips) -> Evaluator:
    """Decisions and top-1 against an FP32 engine, on labelled clips."""
    wanted = logits_of(fp32, test.clips, DECIDING)

    def loss(engine: Engine) -> Loss:
        given = wanted if engine is fp32 else logits_of(engine, test.clips, DECIDING)
        drop = 100 * (top1(wanted, test.labels) - top1(given, test.labels))
        return Loss(100 * agreement(wanted, given), drop)

    return Evaluator(f"{fp32.describe()}, {len(test.clips)} labelled clips", test.clips[:1], loss)


def people_evaluator(fp32: Engine, family: Family, pictures: Sequence[Image], frames: Path) -> Evaluator:
    """People found in pictures against those that an FP32 engine finds."""
    wanted = _people(estimator(fp32, family), pictures)
    # One alone: what the network is given for all of them would fill a small board's memory.
    listening = RecordingEngine(fp32)
    estimator(listening, family).estimate(pictures[-1])
    (sample,) = [given[fp32.inputs[0].name] for given in listening.recorded[:1]]

    def loss(engine: Engine) -> Loss:
        found = wanted if engine is fp32 else _people(estimator(engine, family), pictures)
        return Loss(100 * people_agreement(wanted, found).share)

    return Evaluator(f"{fp32.describe()}, {len(pictures)} pictures of {frames.name}", sample, loss)


def _people(device: PoseEstimator, pictures: Sequence[Image]) -> list[list[Pose]]:
    return [device.estimate(picture) for picture in pictures]
