"""The page of `calibrate measure`: what it shows of each step's results."""

from dataclasses import asdict, replace

from calibrate.measure_report import as_markdown
from edge.machine import machine
from edge.soak.command import SoakResult


def page_of(name: str, results: dict, power_mode: str | None = None) -> str:
    step = {"results": results, "command": f"python -m {name}", "seconds": 61.6, "exit_code": 0, "error": None}
    board = {**machine(), "power_mode": power_mode}
    return as_markdown({"bundle": "b", "machine": board, "date": "2026-01-02", "command": "c", "steps": {name: step}})


def test_the_report_counts_the_checks_and_lists_those_that_apply() -> None:
    statuses = ("ok", "n/a", "ok", "fail")
    findings = [{"status": status, "check": f"check {i}", "found": "a|b"} for i, status in enumerate(statuses)]
    page = page_of("checks", {"findings": findings}, power_mode="MAXN")
    assert "; power mode: MAXN\n" in page and "; power mode: none\n" in page_of("checks", {"findings": []})
    assert "## Checks\n\n2 ok, 1 n/a, 1 fail.\n\n| status | check | found |\n" in page
    assert "| ok | check 0 | a\\|b |\n| ok | check 2 | a\\|b |\n| fail | check 3 | a\\|b |\n\n" in page


def test_the_report_shows_the_engines_that_were_compared() -> None:
    fp16 = {"precision": "fp16", "p50_ms": 1.0, "p90_ms": 1.25, "device_p50_ms": 0.75, "agreement": 100.0}
    engines = [{**fp16, "top1_drop": None, "verdict": "kept: a|b"}, {"precision": "int8", "verdict": "returned NaN"}]
    built = {"tensorrt": "10.3.0", "gpu": "Orin (16 SMs)", "compute_capability": "8.7"}
    page = page_of("engines", {**built, "comparison": {"reference": "256 clips", "engines": engines}})
    assert "TensorRT 10.3.0, Orin (16 SMs), compute capability 8.7. Compared with 256 clips.\n" in page
    assert "| fp16 | 1.00 | 1.25 | 0.75 | 100.00 |  | kept: a\\|b |\n| int8 |  |  |  |  |  | returned NaN |\n" in page
    assert "| engines | `python -m engines` | 62 | 0 |  |\n" in page


def test_the_report_shows_what_few_clips_must_meet_and_what_was_not_run() -> None:
    found = {"samples": 256, "agreement": 97.65625, "error": {"largest": 0.25}}
    latency = {"p50_ms": 1.5, "p90_ms": 2.0}
    network = {"network": "s.onnx", "runtime": "CPU", "stored": found, "labelled": None, "top1": None}
    budgets = {"budget": {"min_agreement": 98.046875, "max_top1_drop": 0.5}, "bundle_budget": {"min_agreement": 99.0}}
    networks = [{**network, "latency": latency, "missed": missed} for missed in ([], ["one", "two"])]
    page = page_of("verification", {"networks": networks, **budgets, "not_run": {"s.engine": "no GPU"}})
    assert "at least 98.05 % (the bundle's budget is 99 %), at most 0.5 points of top-1 lost.\n" in page
    row = "| s.onnx | CPU | 256 |  | 97.66 | 0.25 | 1.50 | 2.00 |"
    assert f"{row} within the budget |\n{row} one; two |\n" in page
    assert "\ns.engine was not run: no GPU\n" in page


def test_the_report_compares_students_on_videos() -> None:
    int8 = {"student": "s.int8.onnx", "top1": 91.25, "mean_per_class": 87.5, "agreement": 98.75, "undecided": 3}
    fp32 = {**int8, "student": "s.onnx", "top1": 92.5, "agreement": None, "undecided": 0}
    page = page_of("accuracy", {**int8, "samples": 80, "beside": [fp32]})
    assert "\n80 videos.\n" in page
    assert "| s.int8.onnx | 91.25 | 87.50 | 98.75 | 3 |\n| s.onnx | 92.50 | 87.50 |  | 0 |\n" in page


def test_the_report_shows_the_endurance_test() -> None:
    soak = SoakResult(10.04, 9000, 1, 2, 3, 0.5, 201.6, 9, 8, 4, 1.5, 2.25, "the camera is gone", (200.2, 201.7))
    lines = (
        "## Endurance",
        "",
        "- 10.0 minutes, 9000 frames; the camera was lost 2 times",
        "- memory: 202 MB, growth after the warm-up +0.50 MB",
        "- events received: 8 of 9",
        "- p99/p50: 1.50 (pose), 2.25 (capture to decision)",
        "- MB by minute: 200, 202",
        "- **ended early**: the camera is gone",
    )
    assert "\n".join(lines) in page_of("soak", asdict(soak))
    whole = page_of("soak", asdict(replace(soak, ended_by=None, memory_by_minute=())))
    assert "ended early" not in whole and "by minute" not in whole
