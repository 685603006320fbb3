"""Plot the loop's stages: a flame graph for each backend, all on one scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from edge.contract.files import atomic_write
from edge.latency import CAPTURE, NETWORKS, OUTSIDE, POSE, RECOGNISE, TRACK

STAGES = {CAPTURE: "#6aa84f", POSE: "#e69138", TRACK: "#8e7cc3", RECOGNISE: "#cc5555"}
INSIDE = {NETWORKS: "#f6b26b", OUTSIDE: "#9fc5e8"}
WHOLE, INK = "#d9d9d9", "#333333"


def draw_stages(backends: dict[str, dict[str, float]], path: Path) -> bool:
    """Draw a bar for the whole frame, on it the stages, and on these the time inside and outside the networks.

    backends: name -> p50 of every stage and sum, in milliseconds. Returns whether there was anything to draw.
    """
    if not backends:
        return False
    longest = max(_busy(p50) for p50 in backends.values())
    figure = Figure(figsize=(12, 1.75 * len(backends) + 0.6), layout="constrained")
    axes = figure.subplots(len(backends), 1, sharex=True, squeeze=False)
    for ax, (name, p50) in zip(axes[:, 0], backends.items(), strict=True):
        _flame(ax, p50, longest)
        ax.set_title(name, loc="left", size=11, color=INK, weight="bold")
    axes[-1, 0].set_xlabel("ms per frame, p50 of each stage", color=INK)
    axes[-1, 0].tick_params(axis="x", bottom=True)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=120, format="png")
    return True


def _busy(p50: dict[str, float]) -> float:
    return sum(p50.get(stage, 0.0) for stage in STAGES)


def _flame(ax: Any, p50: dict[str, float], longest: float) -> None:
    _level(ax, 0, 0.0, {"frame": _busy(p50)}, {"frame": WHOLE}, longest)
    _level(ax, 1, 0.0, p50, STAGES, longest)
    _level(ax, 2, p50.get(CAPTURE, 0.0), p50, INSIDE, longest)
    ax.set_xlim(0, 1.25 * longest)
    ax.set_yticks([])
    ax.tick_params(colors=INK, labelsize=9)
    ax.grid(axis="x", alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def _level(ax: Any, level: int, start: float, p50: dict[str, float], colours: dict[str, str], longest: float) -> None:
    """Bars end to end, each with its name and milliseconds; labels that do not fit follow the last bar."""
    without_room = []
    for name, colour in colours.items():
        took = p50.get(name, 0.0)
        text = f"{name} {took:.1f}"
        ax.barh(level, took, left=start, height=0.92, color=colour, edgecolor="white", linewidth=0.8)
        if took > 0.0095 * len(text) * longest:
            ax.text(start + 0.005 * longest, level, text, va="center", size=9, color=INK)
        else:
            without_room.append(text)
        start += took
    ax.text(start + 0.005 * longest, level, ", ".join(without_room), va="center", size=9, color=INK)
