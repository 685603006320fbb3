"""The page of the comparison with peers: ratios from given figures, and gaps where nothing has run."""

from pathlib import Path

import pytest

from benchmarks.peers import interleaved
from benchmarks.peers.notes import INTRODUCTION, NOT_COMPARED, NOTES
from benchmarks.peers.page import latency, pose_pipelines, stages, streaming, write_page


def run(rate: float, processor_s: float) -> dict[str, object]:
    steady = [1000 / rate] * 3
    return {"frames_per_s": rate, "processor_s": processor_s, "pictures": 100, "steady_ms": steady, "seen": 99}


def test_rates_and_processor_times_are_compared_with_every_peer_round_by_round() -> None:
    # The machine was half as fast in the second round, for all.
    rows = {
        "MediaPipe 1, Pose": [run(50, 2.0), run(25, 4.0)],
        "MediaPipe 2, PoseLandmarker": [run(25, 1.5), run(12.5, 3.0)],
        "our loop": [run(100, 1.0), run(50, 2.0)],
    }
    lines = pose_pipelines({"clip": "clip.mp4", "rows": rows})
    assert lines[-1].endswith("| 99 | 2.00, 2.00 | 4.00, 4.00 | 2.00, 2.00 | 1.50, 1.50 |")
    assert lines[-2].endswith("| 99 | 0.50, 0.50 | 1.00, 1.00 | 1.33, 1.33 | 1.00, 1.00 |")
    assert len({line.count("|") for line in lines[2:]}) == 1


def test_a_candidate_that_failed_is_listed_without_figures() -> None:
    rows = {"MediaPipe 1, Pose": [run(50, 2.0)], "ours": [{"failed": "error: openvino is not installed"}]}
    lines = pose_pipelines({"clip": "clip.mp4", "rows": rows})
    assert lines[-1] == "| ours | did not run: error: openvino is not installed |  |  |  |  |  |  |"
    assert len({line.count("|") for line in lines[2:]}) == 1


def test_a_step_is_compared_with_the_library_and_with_the_clip_of_its_precision() -> None:
    warm = {"whole clip, FP32": [20.0] * 3, "step": [1.0, 2.0, 1.0], "continual-inference 1": [4.0, 8.0, 4.0]}
    times = {f"{name} | warm | processor": ms for name, ms in warm.items()}
    times |= {f"{name} | cold | processor": [2 * x for x in ms] for name, ms in warm.items()}
    times["step | cold | processor"] = [8.0, 16.0, 8.0]
    lines = streaming({"times": times, "precisions": dict.fromkeys(warm, "fp32")})
    assert lines[3] == "| step | 1.000 | 1.800 | 0.250 | 0.250 | 1/20.0 | 8.000 | 14.400 | 1.000 | 1.000 | 1/5.0 |"
    assert lines[2].count("| 1.0 x |") == 2
    assert all(line.count("|") == lines[1].count("|") for line in lines)


def test_a_network_without_the_other_runtime_leaves_its_columns_empty() -> None:
    times = {
        "a | FP32 | own processor": [2.0],
        "a | FP32 | OpenVINO processor": [1.0],
        "b | INT8 | own processor": [3.0],
    }
    both, alone = latency({"times": times})[2:]
    assert both == "| a | FP32 | 2.000 | 2.000 | 1.000 | 1.000 | 2.00 | 2.00 |"
    assert alone == "| b | INT8 | 3.000 | 3.000 |  |  |  |  |"


def test_a_stage_that_a_backend_never_ran_leaves_its_column_empty() -> None:
    sums = {"inside the networks": 5.25, "outside the networks": 1.0}
    p50 = {"a": {"capture": 1.0, "pose": 6.0, "track": 0.25, "recognise": 1.5, **sums}, "b": {"capture": 2.0, **sums}}
    *_, head, rule, whole, short = stages({"clip": "clip.mp4", "p50_ms": p50})
    assert head == "|  | capture | pose | track | recognise | inside the networks | outside the networks |"
    assert whole == "| a | 1.0 | 6.0 | 0.2 | 1.5 | 5.2 | 1.0 |"
    assert short == "| b | 2.0 |  |  |  | 5.2 | 1.0 |"
    assert rule.count("|") == head.count("|")


def test_a_section_that_has_not_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmarks").mkdir()
    write_page()
    text = (tmp_path / "benchmarks" / "peers.md").read_text()
    assert text.count("Has not run.") == 7
    assert interleaved.read_results("roofline") is None
    networks, longer_or_taught, panels, mirrored_sides = 15, 16, 4, 4
    taught_by_the_same, mirrored_poor = 5 * 2, 2
    cells = (networks + longer_or_taught) * panels - mirrored_sides - taught_by_the_same - mirrored_poor
    assert text.count("did not run |") == 2 * cells + panels, "FP32, INT8, fronts"
    assert text.count("classes name sides |") == 2 * mirrored_sides
    assert text.count("| left out ") == 2 * (taught_by_the_same + mirrored_poor)
    assert not list((tmp_path / "benchmarks").glob("*.png"))


@pytest.mark.parametrize("text", [INTRODUCTION, *NOTES.values(), NOT_COMPARED])
def test_the_committed_page_contains_the_texts_that_its_command_writes(text: str) -> None:
    page = Path(__file__).parents[2] / "benchmarks" / "peers.md"
    assert text in page.read_text(encoding="utf-8")
