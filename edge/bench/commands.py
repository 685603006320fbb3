"""Sub-commands of ``python -m edge bench``."""

from __future__ import annotations

from edge.bench.accuracy import AccuracyConfig, accuracy
from edge.bench.latency import LatencyConfig, latency
from edge.cli.command_line import Command

BENCH_COMMANDS = {
    "latency": Command(
        LatencyConfig,
        latency,
        (
            "python -m edge bench latency",
            "python -m edge bench latency --source /dev/video0 --runs 3 --frames 900 --out runs/bench_camera",
            "python -m edge bench latency --compare old/latency.json runs/bench/latency.json",
        ),
    ),
    "accuracy": Command(
        AccuracyConfig,
        accuracy,
        (
            "python -m edge bench accuracy --bundle bundles/everyday --videos videos --beside '[fp32]'",
            "python -m edge bench accuracy --bundle bundles/everyday --clips test.npz --min_top1 90 --min_agreement 98",
        ),
    ),
}
