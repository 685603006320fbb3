"""Sub-commands of ``python -m edge bench``."""

from __future__ import annotations

from edge.bench.accuracy import AccuracyConfig, accuracy
from edge.bench.latency import LatencyConfig, latency
from edge.cli.command_line import Command

BENCH_COMMANDS = {
    "latency": Command(
        LatencyConfig,
        latency,
        "Measure the latency of the loop, stage by stage, and of the student for 1 to 8 people.",
        (
            "python -m edge bench latency",
            "python -m edge bench latency --source /dev/video0 --runs 3 --frames 900 --out runs/bench_camera",
            "python -m edge bench latency --compare old/latency.json runs/bench/latency.json",
        ),
    ),
    "accuracy": Command(
        AccuracyConfig,
        accuracy,
        "Measure the accuracy of students on labelled videos or clips; exit code 1 if a required minimum is missed.",
        (
            "python -m edge bench accuracy --bundle bundles/everyday --videos videos --beside '[fp32]'",
            "python -m edge bench accuracy --bundle bundles/everyday --clips test.npz --min_top1 90 --min_agreement 98",
        ),
    ),
}
