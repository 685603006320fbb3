"""A latency report in Markdown: medians over the runs, with their spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

FORMAT = "skd-edge latency 3"
FIGURES = ("p50_ms", "p90_ms", "p99_ms", "max_ms")


def as_markdown(report: Mapping[str, Any]) -> str:
    """Page of a report: figures are medians of the runs."""
    machine, loop = report["machine"], report["loop"]
    stages = [name for name in loop[0]["stages"] if all(name in run["stages"] for run in loop)]
    rates = [run["frames_per_s"] for run in loop]
    runs = "1 run" if len(loop) == 1 else f"{len(loop)} runs"
    lines = [
        f"# Latency of {report['bundle']}, {report['precision']}",
        "",
        f"- machine: {machine['machine']}, {machine['cpu']}, {machine['cores']} cores",
        f"- power mode: {machine['power_mode'] or 'none'}; load before: {report['load_before']}",
        f"- source: {report['source']}",
        f"- pose: {report['pose']}",
        f"- student: {report['student']}",
        f"- frames per second: {median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f} in {runs})",
        f"- dropped: {sum(run['dropped'] for run in loop)}; failed: {sum(run['failed'] for run in loop)}",
        f"- peak memory of the process: {report['peak_memory_mb']:.0f} MB",
        *_board(report["board"]),
        "",
        f"Medians of {runs}; percentiles of a run by nearest rank; spread: largest less smallest p50, of their median.",
        "",
        *_table("stage", [(name, [run["stages"][name] for run in loop]) for name in stages]),
        "",
        *_display(report["display"]),
        "The student alone; p90 of batch 1 is its single-stream latency as MLPerf defines it.",
        "",
        *_table("batch", _batches(report["student_batches"])),
        "",
        *_pose_networks(report["pose_networks"]),
    ]
    return "\n".join(lines)


def _board(board: Mapping[str, Any] | None) -> list[str]:
    if board is None:
        return ["- power, temperature and clocks: unknown"]
    power = "unknown" if board["power_w"] is None else f"{board['power_w']:.2f} W{_energy(board)}"
    heat = "unknown" if board["hottest_c"] is None else f"{board['coolest_c']:.0f} to {board['hottest_c']:.0f} °C"
    clocks = {None: "unknown", True: "held", False: "not held"}[board["clocks_held"]]
    memory = [] if board["ram_mb"] is None else [f"- memory of the board in use: {board['ram_mb']} MB"]
    return [*memory, f"- power: {power}", f"- hottest unit: {heat}; clocks: {clocks}; throttled: {_throttling(board)}"]


def _energy(board: Mapping[str, Any]) -> str:
    energy = f", {board['energy_per_inference_mj']:.0f} mJ per inference (a frame through all its networks)"
    if board["idle_w"] is None:
        return f"{energy}, idle power included"
    return f" ({board['idle_w']:.2f} W idle){energy}, {board['energy_above_idle_mj']:.0f} mJ of it above idle"


def _throttling(board: Mapping[str, Any]) -> str:
    if board["slowed_by_heat"] is None:
        return "unknown"
    causes = [f"{unit} (thermal)" for unit in board["slowed_by_heat"]]
    if board["over_current_events"]:
        causes.append(f"{board['over_current_events']} over-current or under-voltage events")
    return ", ".join(causes) or "never"


def _display(display: Mapping[str, Any]) -> list[str]:
    if display["to"] == "none":
        return []
    shown, unread, dropped = (sum(run[key] for run in display["runs"]) for key in ("shown", "unread", "dropped"))
    where = "on the screen" if display["to"] == "window" else "rendered, without a screen"
    text = f"From a frame's arrival to its display ({where}), measured with a timecode drawn into the frame."
    rows = [("capture to display", [run for run in display["runs"] if "p50_ms" in run])]
    counts = f"{shown} displayed, {dropped} dropped for newer ones, {unread} with a covered timecode."
    return [f"{text} {counts}", "", *_table("", [row for row in rows if row[1]]), ""]


def _batches(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    return [(str(first["batch"]), [run[place] for run in runs]) for place, first in enumerate(runs[0])]


def _pose_networks(runs: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[str]:
    rows = [(name, [run[name] for run in runs]) for name in runs[0]]
    title = "The pose estimator's networks alone, as the loop runs them."
    return [title, "", *_table("network", rows), ""] if rows else []


def _table(header: str, rows: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> list[str]:
    """If the GPU has a clock, its median and p90 follow the host's figures."""
    by_gpu = any(run.get("device") for _, runs in rows for run in runs)
    gpu = " GPU p50 ms | GPU p90 ms |" if by_gpu else ""
    lines = [f"| {header} | p50 ms | p90 ms | p99 ms | max ms | spread |{gpu}", f"|---|{'--:|' * (7 if by_gpu else 5)}"]
    for name, runs in rows:
        figures = [median(run[figure] for run in runs) for figure in FIGURES]
        p50 = [run["p50_ms"] for run in runs]
        apart = f"{100 * (max(p50) - min(p50)) / figures[0]:.0f} %" if figures[0] else ""
        row = [*(f"{figure:.2f}" for figure in figures), apart]
        if by_gpu:
            row += [_device_median(runs, figure) for figure in FIGURES[:2]]
        lines.append(f"| {name} | {' | '.join(row)} |")
    return lines


def _device_median(runs: Sequence[Mapping[str, Any]], figure: str) -> str:
    values = [run["device"][figure] for run in runs if run.get("device")]
    return f"{median(values):.2f}" if values else ""
