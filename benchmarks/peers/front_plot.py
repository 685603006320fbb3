"""Plot accuracy against latency: a panel for each dataset and quality, with its Pareto front."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator
from matplotlib.transforms import Bbox

from benchmarks.peers.fronts import DATASETS, QUALITIES, Point, pareto_front
from benchmarks.peers.network_files import CLASSES
from benchmarks.peers.trainings import NETWORKS, ROWS, Quality
from benchmarks.untrained import JOINTS
from edge.contract.files import atomic_write
from edge.contract.layouts import layout
from train.networks.registry import build

SHOWN = {"hq": "HQ skeletons", "lq": "LQ skeletons (60 % of joints dropped)"}
COLOURS = {
    "dense_gcn": "#1f5fbf",
    "dd_net": "#d9822b",
    "efficient_gcn": "#2a9d62",
    "shift_gcn": "#8c6d31",
    "st_gcn_pp": "#9a4fb3",
    "st_gcn": "#b3475d",
}
"""By prefix of the network's name."""
NAMES = {
    "dd_net_s": "DD-Net small", "dd_net_m": "DD-Net medium", "dd_net": "DD-Net", "efficient_gcn_b0": "EfficientGCN-B0",
    "shift_gcn": "Shift-GCN", "st_gcn_pp": "ST-GCN++", "st_gcn": "ST-GCN",
}  # fmt: skip
TICKS_MS = (0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5)
AREA = 170.0
"""Area of a bubble per million parameters, in square points."""
PLACES = (
    (0, 1), (1, 0), (0, -1), (-1, 0), (-0.7, 0.7), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 2.2), (0, -2.2), (2, 2.2),
    (2, -2.2), (-2, 2.2), (-2, -2.2),
)  # fmt: skip
"""Candidate places of a label: offset right and up from its point, in radii of the bubble; tried in this order."""
SIDES = {(True, False): "left", (False, True): "right", (False, False): "center"}
HEIGHTS = {(True, False): "bottom", (False, True): "top", (False, False): "center"}
INK, PALE = "#333333", "#8a8a8a"


def draw_fronts(found: Mapping[tuple[str, Quality], list[Point]], path: Path) -> bool:
    """Draw all panels. found: points by dataset and quality. Returns whether there was anything to draw."""
    figure = Figure(figsize=(13, 9.6), layout="constrained")
    axes = figure.subplots(2, 2)
    shown = 0
    for line, (dataset, title) in zip(axes, DATASETS.items(), strict=True):
        for ax, see in zip(line, QUALITIES, strict=True):
            if shown_here := found.get((dataset, see)):
                _panel(ax, shown_here)
                shown += len(shown_here)
            ax.set_title(f"{title}, {SHOWN[see]}", loc="left", size=12, color=INK, weight="bold")
        line[0].set_ylabel("top-1 accuracy, %", color=INK)
    for ax in axes[-1]:
        ax.set_xlabel("latency per clip, ms (ONNX Runtime, one thread)", color=INK)
    if shown:
        _legend(figure)
        figure.draw_without_rendering()  # sets the sizes that labels are placed by
        for ax in axes.flat:
            _place_labels(ax)
        with atomic_write(path) as partial:
            figure.savefig(partial, dpi=120, format="png")
    return shown > 0


def _panel(ax: Any, found: list[Point]) -> None:
    front = pareto_front(found)
    lowest, highest = min(p.top1 for p in found), max(p.top1 for p in found)
    room = 0.08 * (highest - lowest) + 0.3
    left, right = min(p.ms for p in found) / 1.6, max(p.ms for p in found) * 1.9
    ax.set_xscale("log")
    ax.set_xlim(left, right)
    ax.set_ylim(lowest - room, highest + room)
    steps = [*((p.ms, p.top1) for p in front), (right, front[-1].top1)]
    xs, ys = [x for x, _ in steps], [y for _, y in steps]
    ax.fill_between(xs, ys, lowest - room, step="post", color="#1f5fbf", alpha=0.05, linewidth=0, zorder=0)
    ax.step(xs, ys, where="post", color=INK, linewidth=1.2, zorder=1)
    rows = dict.fromkeys(p.row for p in found)
    for row in rows:
        forms = [p for p in found if p.row == row]
        size, colour = AREA * _parameters(ROWS[row].network), _colour(row)
        ax.plot([p.ms for p in forms], [p.top1 for p in forms], color=colour, alpha=0.45, linewidth=1, zorder=2)
        for p in forms:
            filled = colour if p.precision == "FP32" else "white"
            ax.scatter(p.ms, p.top1, s=size + 14, facecolors=filled, edgecolors=colour, linewidths=1.4, zorder=3)
    # The most accurate are labelled first: they are the most crowded.
    ax.to_label = sorted((p for p in found if p.precision == "FP32"), key=lambda p: -p.top1)
    ax.all_points, ax.front_line = found, list(zip(xs, ys, strict=True))
    ax.xaxis.set_major_locator(FixedLocator([t for t in TICKS_MS if left < t < right]))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _place_labels(ax: Any) -> None:
    """Label each FP32 point, at the first place where the label covers nothing, else where it covers least."""
    scale = ax.figure.dpi / 72
    taken = []
    for p in getattr(ax, "all_points", ()):
        x, y = ax.transData.transform((p.ms, p.top1))
        radius = scale * _radius(p)
        taken.append(Bbox.from_extents(x - radius, y - radius, x + radius, y + radius))
    corners = [ax.transData.transform(corner) for corner in getattr(ax, "front_line", ())]
    for (x, y), (next_x, next_y) in itertools.pairwise(corners):
        taken += [_line(x, y, next_x, y), _line(next_x, y, next_x, next_y)]
    for p in getattr(ax, "to_label", ()):
        away = _radius(p) + 3
        tried: list[tuple[float, int, Any, Bbox]] = []
        for dx, dy in PLACES:
            label = ax.annotate(
                _label(p.row),
                (p.ms, p.top1),
                xytext=(dx * away, dy * away),
                textcoords="offset points",
                ha=SIDES[dx > 0, dx < 0],
                va=HEIGHTS[dy > 0, dy < 0],
                size=9,
                color=_colour(p.row),
                weight="bold" if p.ours else "normal",
                zorder=4,
            )
            box = label.get_window_extent()
            covered = sum(_shared(box, other) for other in taken) + _outside(box, ax.get_window_extent())
            tried.append((covered, len(tried), label, box))
            if covered == 0:
                break
        *_, kept, box = min(tried, key=lambda one: one[:2])
        for _, _, label, _ in tried:
            if label is not kept:
                label.remove()
        taken.append(box)


def _line(x: float, y: float, to_x: float, to_y: float) -> Bbox:
    """A line as a box two pixels thick."""
    return Bbox.from_extents(min(x, to_x) - 1, min(y, to_y) - 1, max(x, to_x) + 1, max(y, to_y) + 1)


def _shared(one: Bbox, other: Bbox) -> float:
    common = Bbox.intersection(one, other)
    return 0.0 if common is None else float(common.width * common.height)


def _outside(box: Bbox, panel: Bbox) -> float:
    return float(box.width * box.height) - _shared(box, panel)


def _radius(p: Point) -> float:
    """Radius of the bubble, in points."""
    return float(((AREA * _parameters(ROWS[p.row].network) + 14) / 3.14) ** 0.5)


def _label(row: str) -> str:
    network = ROWS[row].network
    if network.startswith("dense_gcn"):
        registered, width = NETWORKS[network]
        return f"{width}, motion" if registered == "dense_gcn_motion" else f"{width}"
    return f"{NAMES[network]}, taught" if ROWS[row].teacher else NAMES[network]


def _colour(row: str) -> str:
    return next(colour for name, colour in COLOURS.items() if ROWS[row].network.startswith(name))


def _parameters(network: str) -> float:
    """Millions."""
    registered, width = NETWORKS[network]
    made = build(registered, classes=CLASSES, layout=layout(JOINTS), bodies=1, width=width)
    return sum(p.numel() for p in made.parameters()) / 1e6


def _legend(figure: Any) -> None:
    def dot(area: float, colour: str, filled: bool) -> Line2D:
        return Line2D(
            [], [], marker="o", linestyle="", markersize=area**0.5, markeredgecolor=colour, markeredgewidth=1.4,
            markerfacecolor=colour if filled else "white",
        )  # fmt: skip

    entries = {
        "ours: DenseGCN, number of channels": dot(60, COLOURS["dense_gcn"], True),
        "FP32": dot(60, PALE, True),
        "INT8": dot(60, PALE, False),
        "0.1 M parameters": dot(0.1 * AREA + 14, PALE, True),
        "1 M parameters": dot(AREA + 14, PALE, True),
        "Pareto front": Line2D([], [], color=INK, linewidth=1.2),
    }
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=6, frameon=False, fontsize=9.5,
        labelcolor=INK,
    )  # fmt: skip
