"""What an engine loses: of a student in decisions and top-1, of a pose network in people found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from calibrate.calibration_set import LabelledClips
from calibrate.compare import agreement, outputs, top1
from calibrate.compare_poses import people_agreement
from edge.contract.types import Float32, Image, Pose
from edge.engines.engine import Engine

Array = NDArray[Any]
Family = Literal["trt_pose", "tf_pose"]


@dataclass(frozen=True)
class Loss:
    """Against the reference: agreement in percent, top1_drop in points or None without labels."""

    agreement: float
    top1_drop: float | None = None


@dataclass(frozen=True)
class Judge:
    """sample: one input, for timing. loss: given an engine, what it loses against ``reference``, which is described."""

    reference: str
    sample: Array
    loss: Callable[[Engine], Loss]


def judge_by_logits(clips: Float32, logits: Float32, reference: str) -> Judge:
    """Decisions on clips (N, C, T, V, M) against the logits (N, K) that are known for them."""

    def loss(engine: Engine) -> Loss:
        return Loss(100 * agreement(logits, _logits(engine, clips)))

    return Judge(reference, clips[:1], loss)


def judge_by_labels(fp32: Engine, test: LabelledClips) -> Judge:
    """Decisions and top-1 against an FP32 engine, on labelled clips."""
    wanted = _logits(fp32, test.clips)

    def loss(engine: Engine) -> Loss:
        given = wanted if engine is fp32 else _logits(engine, test.clips)
        drop = 100 * (top1(wanted, test.labels) - top1(given, test.labels))
        return Loss(100 * agreement(wanted, given), drop)

    return Judge(f"{fp32.describe()}, {len(test.clips)} labelled clips", test.clips[:1], loss)


def judge_by_people(fp32: Engine, family: Family, pictures: Sequence[Image], frames: Path) -> Judge:
    """People found in pictures against those that an FP32 engine finds."""
    # The device's own estimator brings OpenCV, which a student's engine does not need.
    from calibrate.listening import Listening
    from calibrate.pose_inputs import estimator

    listening = Listening(fp32)
    wanted = _people(estimator(listening, family), pictures)
    sample = listening.heard[-1][fp32.inputs[0].name]

    def loss(engine: Engine) -> Loss:
        found = wanted if engine is fp32 else _people(estimator(engine, family), pictures)
        return Loss(100 * people_agreement(wanted, found).share)

    return Judge(f"{fp32.describe()}, {len(pictures)} pictures of {frames.name}", sample, loss)


def _people(device: Any, pictures: Sequence[Image]) -> list[list[Pose]]:
    return [device.estimate(picture) for picture in pictures]


def _logits(engine: Engine, clips: Float32) -> Float32:
    (logits,) = outputs(engine, [clips[i : i + 1] for i in range(len(clips))], "checking decisions").values()
    return logits
