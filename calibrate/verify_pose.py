"""``python -m calibrate verify-pose``: does a quantised pose network or engine still find the same people?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calibrate.compare import deviation, median_latency_ms, outputs
from calibrate.compare_poses import people_agreement
from calibrate.pictures import evenly_spaced
from calibrate.pose_inputs import Family, estimator, pose_inputs
from calibrate.verify import Verdict, conclude
from edge.engines.registry import open_engine

ROUNDS = 20


@dataclass(frozen=True)
class VerifyPoseConfig:
    """Compare a pose network with its FP32 ONNX on pictures, and fail where too few people are found by both."""

    network: Path
    """pose.onnx, in FP32."""
    candidate: Path
    """Network to judge, .onnx or .engine."""
    frames: Path
    """Video or folder of images, better not the one that was calibrated on."""
    family: Family = "trt_pose"
    """Which network it is, trt_pose or tf_pose."""
    samples: int = 64
    """How many pictures are compared, evenly spread over the frames."""
    report: Path | None = None
    """JSON file to write."""
    min_people_agreement: float = 80.0
    """Percent of the people found by either that both must find, in the same place."""
    threads: int = 0
    """CPU threads of ONNX Runtime, 0 for all."""


def verify_pose(config: VerifyPoseConfig) -> None:
    """Print and write the verdict; exit code 1 where the budget was missed."""
    pictures = [picture for _, picture in evenly_spaced(config.frames, config.samples)]
    paths = (config.network, config.candidate)
    inputs = pose_inputs(config.network, config.family, pictures)
    engines = [open_engine(path, threads=config.threads) for path in paths]
    maps = [outputs(engine, inputs, f"running {path.name}") for engine, path in zip(engines, paths, strict=True)]
    estimators = [estimator(engine, config.family) for engine in engines]
    people = people_agreement(*([e.estimate(p) for p in pictures] for e in estimators))
    share = 100 * people.share
    missed = []
    if share < config.min_people_agreement:
        missed.append(f"{share:.1f} % of people are found by both, {config.min_people_agreement:g} % are wanted")
    verdict = Verdict(
        reference=engines[0].describe(),
        candidate=engines[1].describe(),
        samples=len(pictures),
        errors={name: deviation(maps[0][name], maps[1][name]) for name in maps[0]},
        bytes_ratio=config.candidate.stat().st_size / config.network.stat().st_size,
        latency_ms=median_latency_ms(engines, inputs[0], ROUNDS),
        measured={"people_found_by_both": share, "joint_distance_of_body_size": 100 * people.distance},
        missed=missed,
    )
    conclude(verdict, config.report)
