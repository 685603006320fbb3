"""Evaluate an engine against a reference: a student by decisions and top-1, a pose network by people found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from calibrate.calibration_set import LabelledClips
from calibrate.configuration import Family
from calibrate.evaluation.compare import Array, logits_of, top1
from calibrate.evaluation.compare_poses import people_agreement, require_people
from calibrate.pose_inputs import estimator
from edge.bench.accuracy_figures import agreement
from edge.cli.progress_bar import track
from edge.contract.types import Float32, Image, Pose
from edge.engines.engine import Engine
from edge.pose.estimator import PoseEstimator

DECIDING = "checking decisions"
"""Label of the progress bar."""


@dataclass(frozen=True)
class Loss:
    """Accuracy against the reference: agreement in percent, top1_drop in points or None without labels."""

    agreement: float
    top1_drop: float | None = None


def decision_loss(wanted: Array, given: Array, labels: Array) -> Loss:
    """Return the Loss of logits (N, K) against the reference's ``wanted``, with labels (N,)."""
    return Loss(agreement(wanted, given), 100 * (top1(wanted, labels) - top1(given, labels)))


@dataclass(frozen=True)
class Evaluator:
    """reference: description. sample: one input, for timing. loss: function from an engine to its Loss."""

    reference: str
    sample: Array
    loss: Callable[[Engine], Loss]


def logits_evaluator(clips: Float32, logits: Float32, reference: str) -> Evaluator:
    """Compare decisions on clips (N, C, T, V, M) with stored logits (N, K)."""

    def loss(engine: Engine) -> Loss:
        return Loss(agreement(logits, logits_of(engine, clips, DECIDING)))

    return Evaluator(reference, clips[:1], loss)


def labels_evaluator(fp32: Engine, test: LabelledClips) -> Evaluator:
    """Compare decisions and top-1 with an FP32 engine's on labelled clips."""
    wanted = logits_of(fp32, test.clips, DECIDING)

    def loss(engine: Engine) -> Loss:
        given = wanted if engine is fp32 else logits_of(engine, test.clips, DECIDING)
        return decision_loss(wanted, given, test.labels)

    return Evaluator(f"{fp32.describe()}, {len(test.clips)} labelled clips", test.clips[:1], loss)


def people_evaluator(fp32: Engine, family: Family, images: Sequence[Image], frames: Path) -> Evaluator:
    """Compare the people found in images with those that an FP32 engine finds. frames: where the images are from.

    Raises DataError if it finds nobody.
    """
    device = estimator(fp32, family)
    wanted = people_in(device, images)
    require_people(wanted, frames)

    def loss(engine: Engine) -> Loss:
        found = wanted if engine is fp32 else people_in(estimator(engine, family), images)
        return Loss(100 * people_agreement(wanted, found).share)

    return Evaluator(
        f"{fp32.describe()}, {len(images)} images of {frames.name}", device.network_input(images[-1]), loss
    )


def people_in(device: PoseEstimator, images: Sequence[Image]) -> list[list[Pose]]:
    """The people in each image, with a progress bar."""
    return [device.estimate(image) for image in track(images, "counting people", len(images))]
