"""Write benchmarks/peers.md and its plots from the results; a section that has not run says so.

python -m benchmarks.peers.page
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import command_line
from benchmarks.peers.accuracy_tables import PANELS, accuracy_section, compared
from benchmarks.peers.front_plot import draw_fronts
from benchmarks.peers.interleaved import percentiles, ratios, read_results
from benchmarks.peers.notes import COSTS, INTRODUCTION, NOT_COMPARED, NOTES
from benchmarks.peers.stage_plot import draw_stages
from edge.cli.report_page import markdown_table
from edge.contract.files import write_text
from edge.latency import CAPTURE, OUTSIDE, POSE, RECOGNISE, TRACK
from edge.latency import NETWORKS as INSIDE

PAGE = Path("benchmarks/peers.md")
FLAMES = Path("benchmarks/peers_stages.png")


def pose_pipelines(found: dict[str, Any]) -> list[str]:
    """Each pipeline, with its frame rate and processor time relative to every peer's, round by round."""
    rows = found["rows"]
    peers = [name for name in rows if name.startswith("MediaPipe") and "failed" not in rows[name][0]]
    rounds = max(len(runs) for runs in rows.values())
    columns = [
        "", "frames per second", "p50 ms", "p90 ms", "CPU ms per frame", "frames with somebody, %",
        *(f"frame rate over {peer}'s: p50, p90" for peer in map(_interface, peers)),
        *(f"CPU time of {peer} over its own: p50, p90" for peer in map(_interface, peers)),
    ]  # fmt: skip
    lines: list[list[str]] = []
    for name, runs in rows.items():
        if any("failed" in run for run in runs) or len(runs) < rounds:
            lines.append([name, f"did not run: {runs[0].get('failed', 'interrupted')}"])
            continue
        steady = percentiles([ms for run in runs for ms in run["steady_ms"]])
        cells = [f"{percentiles(_rates(runs))[0]:.1f}", *(f"{ms:.1f}" for ms in steady)]
        cells += [f"{percentiles(_spent(runs))[0]:.1f}", f"{100 * sum(_seen(run) for run in runs) / len(runs):.0f}"]
        compared = [ratios(_rates(runs), _rates(rows[peer])) for peer in peers]
        compared += [ratios(_spent(rows[peer]), _spent(runs)) for peer in peers]
        lines.append([name, *cells, *(f"{p50:.2f}, {p90:.2f}" for p50, p90 in compared)])
    about = f"Clip: {found['clip']}, its first ten frames left out; medians over {rounds} rounds."
    return [about, "", *markdown_table(columns, lines)]


def _interface(peer: str) -> str:
    """ "MediaPipe 1.2.3, PoseLandmarker" -> "PoseLandmarker"."""
    return peer.rpartition(", ")[2]


def _rates(runs: list[dict[str, Any]]) -> list[float]:
    return [run["frames_per_s"] for run in runs]


def _spent(runs: list[dict[str, Any]]) -> list[float]:
    """Milliseconds of processor time per frame."""
    return [1000 * run["processor_s"] / run["pictures"] for run in runs]


def _seen(run: dict[str, Any]) -> float:
    return float(run["seen"] / run["pictures"])


def streaming(found: dict[str, Any]) -> list[str]:
    """Each candidate with warm and cold caches, relative to the library and to the whole clip in its precision."""
    times: dict[str, list[float]] = found["times"]
    columns = ("CPU ms: p50", "p90", "of the library's: p50", "p90", "of the clip's: p50")
    lines = []
    peer = next(name for name in found["precisions"] if name.startswith("continual"))
    for name, precision in found["precisions"].items():
        cells = [name]
        for kind in ("warm", "cold"):
            took = times[f"{name} | {kind} | processor"]
            shares = ratios(took, times[f"{peer} | {kind} | processor"])
            clip = ratios(took, times[f"whole clip, {precision.upper()} | {kind} | processor"])[0]
            cells += [f"{ms:.3f}" for ms in (*percentiles(took), *shares)]
            cells.append(f"1/{1 / clip:.1f}" if clip < 1 else f"{clip:.1f} x")
        lines.append(cells)
    both = (f"warm, {columns[0]}", *columns[1:], f"cold, {columns[0]}", *columns[1:])
    return markdown_table(["one new frame", *both], lines)


def latency(found: dict[str, Any]) -> list[str]:
    """Each network in each precision, in its own runtime and in OpenVINO."""
    times: dict[str, list[float]] = found["times"]
    columns = ("network", "precision", "ONNX Runtime or LiteRT: p50 ms", "p90", "OpenVINO: p50 ms", "p90")
    lines = []
    for key in dict.fromkeys(name.rpartition(" | ")[0] for name in times if name.endswith(" | own processor")):
        own = times[f"{key} | own processor"]
        cells = [*percentiles(own)]
        other = times.get(f"{key} | OpenVINO processor")
        if other is not None:
            cells += [*percentiles(other), *ratios(own, other)]
        shown = [f"{cell:.3f}" if place < 4 else f"{cell:.2f}" for place, cell in enumerate(cells)]
        lines.append([*key.split(" | "), *shown])
    return markdown_table([*columns, "OpenVINO faster by: p50", "p90"], lines)


def roofline(found: dict[str, Any]) -> list[str]:
    boards = list(found["boards"])
    peak = (
        f"Measured peak of this machine, one thread, in the same run: {found['gops']['FP32']:.0f} GFLOP/s in FP32, "
        f"{found['gops']['INT8']:.0f} GOP/s in INT8, {found['gb_s']:.1f} GB/s."
    )
    columns = ["network", "precision", "GFLOP", "MB moved", "measured ms", "share of peak", "floor here, ms"]
    lines = []
    for row in found["rows"]:
        figures = [f"{row['gflop']:.3f}", f"{row['mb']:.2f}", f"{row['ms']:.3f}", f"{100 * row['achieved']:.0f} %"]
        floors = [f"{row['floor_ms']:.3f}", *(f"{row['boards_ms'][board]:.4f}" for board in boards)]
        lines.append([row["network"], row["precision"], *figures, *floors])
    peaks = "; ".join(
        f"{name} {board['int8_tops']:g} TOPS, {board['fp16_tflops']:g} TFLOPS, {board['gb_s']:g} GB/s"
        for name, board in found["boards"].items()
    )
    rows = markdown_table([*columns, *(f"{board}, *computed* ms" for board in boards)], lines)
    return [peak, "", *rows, "", f"Peaks used for the boards, dense INT8, FP16 and memory: {peaks}."]


def costs(found: dict[str, Any]) -> list[str]:
    lines = []
    for row in found["rows"][:10]:
        done = next((text for key, text in COSTS.items() if key in row["function"]), "nothing yet")
        figures = (f"{row['ms']:.2f}", f"{100 * row['share']:.1f} %", f"{row['calls']:.2f}")
        lines.append([f"`{row['function']}`", *figures, done])
    about = f"{found['pictures']} frames of {found['clip']}, {found['ms']:.1f} ms of CPU time per frame in all."
    columns = ("function", "ms per frame", "share", "calls per frame", "what was done about it")
    return [about, "", *markdown_table(columns, lines)]


def stages(found: dict[str, Any]) -> list[str]:
    """p50 of each stage, and of the time inside and outside the networks."""
    columns = (CAPTURE, POSE, TRACK, RECOGNISE, INSIDE, OUTSIDE)
    lines = [
        [backend, *(f"{p50[stage]:.1f}" if stage in p50 else "" for stage in columns)]
        for backend, p50 in found["p50_ms"].items()
    ]
    about = (
        f"{found['clip']}; milliseconds, p50 of each stage over the frames in which it ran, medians over the rounds."
    )
    return [about, "", *markdown_table(["", *columns], lines)]


SECTIONS: dict[str, tuple[str, Callable[[dict[str, Any]], list[str]]]] = {
    "pose_pipelines": ("MediaPipe's own pipeline", pose_pipelines),
    "streaming": ("continual-inference", streaming),
    "latency_clips": ("Students: latency by runtime", latency),
    "latency_pictures": ("Pose networks: latency by runtime", latency),
    "roofline": ("Roofline", roofline),
    "costs": ("Where time goes: the ten largest costs", costs),
    "stages": ("Where time goes: the stages, by backend", stages),
}


def write_page() -> None:
    """Write the page, and the plots that there are figures for."""
    lines = ["# Comparison with other projects", "", INTRODUCTION, ""]
    for section, (title, lines_of) in SECTIONS.items():
        lines += [f"## {title}", ""]
        found = read_results(section)
        if found is None:
            lines += ["Has not run.", ""]
        else:
            lines += [*_about(found["about"]), "", *lines_of(found), ""]
        if section in NOTES:
            lines += [NOTES[section], ""]
        if section == "latency_clips":
            times = {} if found is None else found["times"]
            lines += accuracy_section(times, NOTES["accuracy"], NOTES["accuracy_method"])
            if draw_fronts({panel: compared(*panel, times) for panel in PANELS}, PAGE.with_suffix(".png")):
                lines += [f"![Accuracy against time]({PAGE.stem}.png)", ""]
        if section == "stages" and found is not None and draw_stages(found["p50_ms"], FLAMES):
            lines += [f"![{title}]({FLAMES.name})", ""]
    lines += ["## Not compared", "", NOT_COMPARED]
    write_text(PAGE, "\n".join(lines).rstrip() + "\n")


def _about(about: dict[str, Any]) -> list[str]:
    machine = about["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return [
        f"    {about['command']}",
        "",
        f"{about['date']}; {machine['cpu']}, {machine['cores']} cores, power mode: "
        f"{machine['power_mode'] or 'unknown'}; load at the end {about['load']}; {versions}.",
    ]


if __name__ == "__main__":
    command_line.parser("benchmarks.peers.page", __doc__).parse_args()
    write_page()
