"""The report of ``python -m calibrate measure`` in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from edge.bench.latency_report import as_markdown as latency_markdown
from edge.cli.report_page import markdown_table

Results = Mapping[str, Any]


def as_markdown(report: Results) -> str:
    """A title, a section for each step that has results, and the commands. report: the content of report.json."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"# Measurements of {report['bundle']} on {machine['machine']}",
        "",
        f"- {report['date']}: `{report['command']}`",
        f"- {machine['cpu']}, {machine['cores']} cores; power mode: {machine['power_mode'] or 'none'}",
        f"- {versions}",
        "",
    ]
    for name, (title, section) in SECTIONS.items():
        results = report["steps"].get(name, {}).get("results")
        if results is not None:
            lines += [f"## {title}", "", *section(results), ""]
    rows = [
        (name, f"`{step['command']}`", f"{step['seconds']:.0f}", step["exit_code"], step["error"] or "")
        for name, step in report["steps"].items()
    ]
    steps = markdown_table(("step", "command", "seconds", "exit code", "error"), rows)
    return "\n".join([*lines, "## Steps", "", *steps, ""])


def _checks(doctor: Results) -> list[str]:
    counts = Counter(finding["status"] for finding in doctor["findings"])
    lines = [", ".join(f"{count} {status}" for status, count in counts.items()) + "."]
    rows = [(finding["status"], finding["check"], finding["found"]) for finding in doctor["findings"]]
    return [*lines, "", *markdown_table(("status", "check", "found"), [row for row in rows if row[0] != "n/a"])]


def _engines(manifest: Results) -> list[str]:
    compared = manifest["comparison"]
    rows = [
        (
            engine["precision"],
            *(_number(engine.get(key)) for key in ("p50_ms", "p90_ms", "device_p50_ms", "agreement", "top1_drop")),
            engine["verdict"],
        )
        for engine in compared["engines"]
    ]
    built = f"TensorRT {manifest['tensorrt']}, {manifest['gpu']}, compute capability {manifest['compute_capability']}."
    table = markdown_table(("precision", "p50 ms", "p90 ms", "GPU ms", "agreement %", "top-1 lost", ""), rows)
    return [f"{built} Compared with {compared['reference']}.", "", *table]


def _verification(verified: Results) -> list[str]:
    rows = []
    for network in verified["networks"]:
        found, latency = network["labelled"] or network["stored"], network["latency"]
        verdict = "; ".join(network["missed"]) or "within the budget"
        figures = (network["top1"], found["agreement"], found["error"]["largest"], latency["p50_ms"], latency["p90_ms"])
        rows.append((network["network"], network["runtime"], found["samples"], *map(_number, figures), verdict))
    columns = ("network", "runs on", "clips", "top-1 %", "agreement %", "largest error", "p50 ms", "p90 ms", "")
    applied, budget = verified["budget"], verified["bundle_budget"]
    lines = [
        "Against the FP32 network on ONNX Runtime, or its stored logits. Required: agreement of at least "
        f"{applied['min_agreement']:.2f} % (the bundle's budget is {budget['min_agreement']:g} %), at most "
        f"{applied['max_top1_drop']:g} points of top-1 lost.",
        "",
        *markdown_table(columns, rows),
    ]
    return lines + [line for name, why in verified["not_run"].items() for line in ("", f"{name} was not run: {why}")]


def _latency(latency: Results) -> list[str]:
    return latency_markdown(latency).splitlines()[3:]  # its title and machine are above


def _accuracy(accuracy: Results) -> list[str]:
    rows = [
        (one["student"], *(_number(one[key]) for key in ("top1", "mean_per_class", "agreement")), one["undecided"])
        for one in (accuracy, *accuracy["beside"])
    ]
    lines = markdown_table(("student", "top-1 %", "mean per class %", "agreement with FP32 %", "undecided"), rows)
    return [f"{accuracy['samples']} videos.", "", *lines]


def _soak(soak: Results) -> list[str]:
    minutes = soak["memory_by_minute"]
    lines = [
        f"- {soak['minutes']:.1f} minutes, {soak['frames']} frames; the camera was lost {soak['losses']} times",
        f"- memory: {soak['memory_mb']:.0f} MB, growth after the warm-up {soak['growth_mb']:+.2f} MB",
        f"- events received: {soak['heard']} of {soak['told']}",
        f"- p99/p50: {soak['pose_p99_by_p50']:.2f} (pose), {soak['age_p99_by_p50']:.2f} (capture to decision)",
    ]
    ended = [] if soak["ended_by"] is None else [f"- **ended early**: {soak['ended_by']}"]
    by_minute = [f"- MB by minute: {', '.join(f'{mb:.0f}' for mb in minutes)}"] if minutes else []
    return lines + by_minute + ended


SECTIONS: dict[str, tuple[str, Callable[[Results], list[str]]]] = {
    "checks": ("Checks", _checks),
    "engines": ("Engines of the student", _engines),
    "verification": ("Accuracy of the student's networks", _verification),
    "latency": ("Latency", _latency),
    "accuracy": ("Accuracy on videos", _accuracy),
    "soak": ("Endurance", _soak),
}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
