"""Pictures of the page: accuracy against time and size, and the stages of the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.peers.accuracy import NETWORKS, Quality, finished
from benchmarks.peers.interleaved import kept, percentiles
from benchmarks.peers.network_files import CLASSES, FRAMES, JOINTS
from edge.contract.files import replacing
from edge.contract.layouts import layout
from edge.latency import CAPTURE, DECISION, OUTSIDE, POSE, RECOGNISE, TRACK, WAITING
from edge.latency import NETWORKS as INSIDE
from train.networks.cost import cost
from train.networks.registry import build

matplotlib.use("Agg")

FOLDER = Path("benchmarks")
DATASETS = {"penn_action": "Penn Action", "utd_mhad": "UTD-MHAD"}
MARKERS: dict[Quality, str] = {"hq": "o", "lq": "s"}
STAGES = (CAPTURE, POSE, TRACK, RECOGNISE)


def draw() -> dict[str, list[str]]:
    """Section -> names of its pictures, of those that there are figures for."""
    drawn: dict[str, list[str]] = {}
    clips, loop = kept("latency_clips"), kept("pose_pipelines")
    if clips is not None and _fronts(clips, FOLDER / "peers.png"):
        drawn["latency_clips"] = ["peers.png"]
    if loop is not None and _flames(loop, FOLDER / "peers_stages.png"):
        drawn["costs"] = ["peers_stages.png"]
    return drawn


def _fronts(clips: dict[str, Any], path: Path) -> bool:
    """Top-1 over INT8 (else FP32) milliseconds and over parameters; HQ and LQ; a point for each network."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 8), layout="constrained", sharey="row")
    shown = 0
    for row, (dataset, title) in zip(axes, DATASETS.items(), strict=True):
        for network in NETWORKS:
            registered, width = NETWORKS[network]
            made = build(registered, classes=CLASSES, layout=layout(JOINTS), bodies=1, width=width)
            size = cost(made, FRAMES, len(layout(JOINTS)), 1).parameters / 1e6
            time = _fastest(clips["times"], network)
            for see, marker in MARKERS.items():
                top1 = finished(network, dataset, see)
                if not top1 or time is None:
                    continue
                colour = "tab:blue" if registered.startswith("dense_gcn") else "tab:red"
                filled = colour if see == "lq" else "white"
                for ax, x in zip(row, (time, size), strict=True):
                    ax.scatter(x, sum(top1) / len(top1), marker=marker, edgecolors=colour, facecolors=filled)
                    ax.annotate(network, (x, sum(top1) / len(top1)), size=7, xytext=(4, 3), textcoords="offset points")
                shown += 1
        row[0].set_ylabel(f"{title}: top-1 %")
        row[0].set_xlabel("ms a clip, its faster precision, ONNX Runtime, one thread")
        row[1].set_xlabel("millions of parameters")
        for ax in row:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.grid(alpha=0.3)
    figure.suptitle("hollow circles: good skeletons; squares: 60 % of joints unseen; blue: our student")
    return _saved(figure, path, shown)


def _fastest(times: dict[str, list[float]], network: str) -> float | None:
    keys = [f"{network} | {precision} | own processor" for precision in ("FP32", "INT8")]
    return min((percentiles(times[key])[0] for key in keys if key in times), default=None)


def _flames(loop: dict[str, Any], path: Path) -> bool:
    """Per backend: a bar for the way of a picture to its decision, above it the stages, above those what is in them."""
    backends = {name: runs[-1]["stages"] for name, runs in loop["rows"].items() if "stages" in runs[-1]}
    figure, axes = plt.subplots(len(backends) or 1, 1, figsize=(10, 1.9 * len(backends) + 0.6), layout="constrained")
    for ax, (name, stages) in zip(axes if len(backends) > 1 else [axes], backends.items(), strict=False):
        p50 = {stage: figures[0] for stage, figures in stages.items()}
        busy = sum(p50.get(stage, 0.0) for stage in STAGES)
        ax.barh(0, busy, color="tab:gray", edgecolor="white")
        ax.text(0.01 * busy, 0, f"busy for a picture: {busy:.1f} ms (p50 of each stage)", va="center", size=8)
        at = 0.0
        for stage, colour in zip(STAGES, ("tab:green", "tab:orange", "tab:purple", "tab:red"), strict=True):
            ax.barh(1, p50.get(stage, 0.0), left=at, color=colour, edgecolor="white")
            if p50.get(stage, 0.0) > 0.08 * busy:
                ax.text(at + 0.01 * busy, 1, f"{stage} {p50[stage]:.1f}", va="center", size=8)
            if stage == CAPTURE:
                start = at + p50.get(stage, 0.0)
            at += p50.get(stage, 0.0)
        for what, colour in ((INSIDE, "tab:olive"), (OUTSIDE, "tab:cyan")):
            ax.barh(2, p50.get(what, 0.0), left=start, color=colour, edgecolor="white")
            ax.text(start + 0.01 * busy, 2, f"{what} {p50.get(what, 0.0):.1f}", va="center", size=8)
            start += p50.get(what, 0.0)
        ax.set_xlim(0, 1.25 * busy)  # room for what is written beside a thin bar
        ax.set_yticks([])
        ax.set_title(f"{name}; waiting {p50.get(WAITING, 0.0):.1f}, {DECISION} {p50.get(DECISION, 0.0):.1f} ms", size=9)
    return _saved(figure, path, len(backends))


def _saved(figure: Any, path: Path, shown: int) -> bool:
    if shown:
        with replacing(path) as partial:
            figure.savefig(partial, dpi=110, format="png")
    plt.close(figure)
    return shown > 0
