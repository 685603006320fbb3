"""``python -m calibrate verify-pose``: compare the people that a quantised pose network or engine finds with FP32's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from calibrate.configuration import VerifyPoseConfig
from calibrate.evaluation.compare import Deviation, deviation, latencies, outputs
from calibrate.evaluation.compare_poses import people_agreement, require_people
from calibrate.evaluation.evaluator import people_in
from calibrate.images import evenly_spaced
from calibrate.pose_inputs import estimator, pose_inputs
from edge.bench.query_times import QueryTimes
from edge.cli.console import console
from edge.cli.exit_codes import FAILED
from edge.contract.files import require_writable, write_json
from edge.contract.manifest import AccuracyBudget
from edge.engines.registry import open_engine
from edge.pose.heatmap_estimator import PEAKS

ROUNDS = 20


@dataclass(frozen=True)
class PoseVerdict:
    """pictures: number of images. errors: by output. people: number found in all images, by network.

    measured: percentages. latency: of reference and candidate. missed: one line per missed budget, empty for a pass.
    """

    reference: str
    candidate: str
    pictures: int
    errors: Mapping[str, Deviation]
    bytes_ratio: float
    people: Mapping[str, int]
    latency: tuple[QueryTimes, QueryTimes]
    measured: Mapping[str, float]
    missed: list[str]


def verify_pose(config: VerifyPoseConfig) -> None:
    """Print and write the verdict; exit code 1 if the budget is missed. Raises OutputError early for the report."""
    budget = AccuracyBudget(min_agreement=config.min_people_agreement)
    images = [image for _, image in evenly_spaced(config.frames, config.samples)]
    require_writable(config.report)
    paths = (config.network, config.candidate)
    inputs = pose_inputs(config.network, config.family, images)
    engines = [open_engine(path, threads=config.threads) for path in paths]
    maps = [outputs(engine, inputs, f"running {path.name}") for engine, path in zip(engines, paths, strict=True)]
    estimators = [estimator(engine, config.family, path) for engine, path in zip(engines, paths, strict=True)]
    found = [people_in(device, images) for device in estimators]
    require_people(found[0], config.frames)
    people = people_agreement(*found)
    share = 100 * people.share
    missed = []
    if budget.violations(share):
        missed.append(f"{share:.1f} % of people are found by both, {config.min_people_agreement:g} % are required")
    reference, candidate = latencies(engines, inputs[0], ROUNDS)
    verdict = PoseVerdict(
        reference=engines[0].describe(),
        candidate=engines[1].describe(),
        pictures=len(images),
        errors={name: deviation(maps[0][name], maps[1][name]) for name in maps[0] if name != PEAKS},
        bytes_ratio=config.candidate.stat().st_size / config.network.stat().st_size,
        people={"FP32": people.reference, "candidate": people.other, "both": people.both},
        latency=(reference, candidate),
        measured={"people_found_by_both": share, "joint_distance_of_body_size": 100 * people.distance},
        missed=missed,
    )
    _conclude(verdict, config.report)


def _conclude(verdict: PoseVerdict, report: Path | None) -> None:
    """Print the verdict as a table, write it as JSON, and exit with code 1 if the budget is missed."""
    table = Table("", "value", title=f"{verdict.candidate}\nagainst {verdict.reference}, {verdict.pictures} images")
    table.add_row(f"people found by {', '.join(verdict.people)}", ", ".join(map(str, verdict.people.values())))
    for name, value in verdict.measured.items():
        table.add_row(name.replace("_", " "), f"{value:.2f} %")
    for name, e in verdict.errors.items():
        table.add_row(f"{name}: largest, mean error", f"{e.largest:.4f}, {e.mean:.5f} of {e.scale:.3f}")
    fp32, candidate = (times.host for times in verdict.latency)
    for name, host in (("FP32", fp32), ("candidate", candidate)):
        table.add_row(f"{name}: p50, p90", f"{host.p50_ms:.2f}, {host.p90_ms:.2f} ms")
    table.add_row("times as fast", f"{fp32.p50_ms / candidate.p50_ms:.2f}")
    table.add_row("file size", f"{100 * verdict.bytes_ratio:.0f} %")
    table.add_row("verdict", "; ".join(verdict.missed) or "passed")
    console.print(table)
    if report is not None:
        latency = [times.medians() for times in verdict.latency]
        write_json(report, asdict(verdict) | {"latency": latency, "passed": not verdict.missed})
    if verdict.missed:
        raise SystemExit(FAILED)
