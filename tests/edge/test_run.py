"""``python -m edge`` as a user starts it, on a real recording."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_bundle
import videos

from edge.__main__ import COMMANDS
from edge.cli.command_line import run_command_line
from edge.contract.bundle import read_bundle, write_manifest

pytestmark = pytest.mark.usefixtures("blazepose_files")

ROOT = Path(__file__).parents[2]
WAIT_S = 240


@pytest.fixture(scope="module")
def recording(shared_data):
    """Two people walk through the scene after the first second."""
    return shared_data / "media" / "sports2d_demo.mp4"


def command(*arguments):
    return [sys.executable, "-m", "edge", *map(str, arguments)]


def outputs(out: Path):
    return (
        *("--sinks.video", out / "annotated.mp4", "--sinks.json", out / "people.jsonl"),
        *("--sinks.picture", out / "best.png", "--report", out / "latency.json"),
    )


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def done(recording, bundle_folder, tmp_path_factory):
    """One run of 100 frames: the finished process and its folder."""
    out = tmp_path_factory.mktemp("run")
    arguments = ("run", "--source", recording, "--bundle", bundle_folder, "--frames", 100, *outputs(out))
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done, out


def test_a_run_writes_exactly_the_requested_files(done):
    _, out = done
    assert sorted(p.name for p in out.iterdir()) == ["annotated.mp4", "best.png", "latency.json", "people.jsonl"]


def test_every_output_has_every_frame(done, recording):
    _, out = done
    annotated, plain = videos.read(out / "annotated.mp4"), videos.read(recording)[:100]
    found = lines(out / "people.jsonl")
    assert len(annotated) == len(found) == 100 and annotated[0].shape == plain[0].shape
    assert [line["frame"] for line in found] == list(range(100))
    # The same scene, and something drawn on it: lossy coding alone differs less.
    difference = np.abs(annotated[90].astype(int) - plain[90]).mean(axis=2)
    assert np.median(difference) < 6 and (difference > 60).mean() > 0.005
    assert cv2.imread(str(out / "best.png")).shape == plain[0].shape


def test_people_are_found_where_they_are_in_the_recording(done):
    _, out = done
    # Positions of the two in frame 95, measured by eye.
    people = lines(out / "people.jsonl")[95]["people"]
    centres = sorted((p["box"][0] + p["box"][2]) / 2 for p in people)
    assert len(people) == 2 and 500 < centres[0] < 900 < centres[1] < 1300
    assert all(len(p["keypoints"]) == 33 for p in people)


def test_stdout_stays_empty_and_tables_go_to_stderr(done):
    process, _ = done
    assert process.stdout == ""
    for part in ("outside the networks", "p99 ms", "seconds", "#1", "written", "BlazePose", "100 frames"):
        assert part in process.stderr
    assert "Traceback" not in process.stderr and "XNNPACK" not in process.stderr


def test_a_run_that_ends_before_anybody_is_confirmed_asks_for_more_frames(recording, bundle_folder, capsys):
    arguments = ("run", "--source", recording, "--bundle", bundle_folder, "--frames", 2)
    with pytest.raises(SystemExit) as left:
        run_command_line("edge", "", COMMANDS, [str(a) for a in arguments])
    assert left.value.code == 2
    assert "in 2 of 2 frames, never in 3 in a row; process more frames, give" in capsys.readouterr().err


def test_the_report_contains_latencies_and_the_machine(done):
    report = json.loads((done[1] / "latency.json").read_text())
    rows = report["latency"]
    assert report["frames"] == 100 and rows["pose"]["frames"] == 90
    assert rows["pose"]["p50_ms"] <= rows["pose"]["p90_ms"] <= rows["pose"]["p99_ms"] <= rows["pose"]["max_ms"]
    assert rows["inside the networks"]["p50_ms"] > rows["outside the networks"]["p50_ms"] > 0
    assert report["machine"]["cores"] >= 1 and report["machine"]["versions"]["numpy"] == np.__version__
    assert report["precision"] == "int8" and "ONNX Runtime" in report["student"]


def test_a_bundle_that_is_not_quantised_yet_runs_in_fp32_and_says_so(tmp_path, replay, capsys):
    bundle = tiny_bundle.make(tmp_path / "bundle")
    (bundle / "student.int8.onnx").unlink()
    write_manifest(bundle, read_bundle(bundle).manifest)
    report = tmp_path / "latency.json"
    run_command_line(
        "edge", "", COMMANDS, ["run", "--source", replay, "--bundle", str(bundle), "--report", str(report)]
    )
    assert re.search(r"^student .*, FP32, ", capsys.readouterr().err, re.MULTILINE)
    assert json.loads(report.read_text())["precision"] == "fp32"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_complete_files_and_prints_its_tables(recording, bundle_folder, tmp_path, number, code):
    arguments = ("run", "--source", recording, "--bundle", bundle_folder, *outputs(tmp_path))
    with subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        growing, end = tmp_path / "people.partial.jsonl", time.monotonic() + WAIT_S
        while time.monotonic() < end and process.poll() is None:
            if growing.is_file() and growing.read_text().count("\n") >= 30:
                break
            time.sleep(0.02)
        process.send_signal(number)
        _, output = process.communicate(timeout=WAIT_S)
    assert process.returncode == code, output
    written = lines(tmp_path / "people.jsonl")
    assert 30 <= len(written) < 230
    assert len(videos.read(tmp_path / "annotated.mp4")) == len(written)
    assert cv2.imread(str(tmp_path / "best.png")) is not None
    assert "capture to decision" in output and "interrupted" in output and "Traceback" not in output
    assert not list(tmp_path.glob("*partial*"))


def test_a_replayed_run_gives_the_same_people_and_events_as_the_recorded_one(recording, bundle_folder, tmp_path):
    outputs_of = {}
    source = recording
    for name in ("live", "replayed"):
        out = tmp_path / name
        arguments = ("run", "--source", source, "--bundle", bundle_folder, "--sinks.json", out / "people.jsonl")
        more = ("--record", out / "poses.jsonl", "--sinks.events", out / "events.jsonl")
        run_command_line("edge", "", COMMANDS, [str(a) for a in (*arguments, "--frames", 80, *more)])
        people = [{k: v for k, v in line.items() if k != "latency_ms"} for line in lines(out / "people.jsonl")]
        outputs_of[name] = people, (out / "events.jsonl").read_bytes()
        source = f"replay://{out / 'poses.jsonl'}"
    assert outputs_of["live"] == outputs_of["replayed"] and b"person_entered" in outputs_of["live"][1]
    # A recording of the replay differs in its header (the source) only.
    first, again = (lines(tmp_path / name / "poses.jsonl")[1:] for name in outputs_of)
    assert first == again


def test_a_second_run_replaces_the_files_of_the_first(recording, bundle_folder, tmp_path):
    for frames in (30, 24):
        arguments = ("run", "--source", recording, "--bundle", bundle_folder, "--frames", frames, *outputs(tmp_path))
        run_command_line("edge", "", COMMANDS, [str(a) for a in arguments])
        assert len(lines(tmp_path / "people.jsonl")) == frames == len(videos.read(tmp_path / "annotated.mp4"))
    assert len(list(tmp_path.iterdir())) == 4


def test_the_demo_writes_its_four_files(recording, bundle_folder, tmp_path, capsys):
    arguments = ("demo", "--source", recording, "--bundle", bundle_folder, "--out", tmp_path / "demo", "--frames", 24)
    run_command_line("edge", "", COMMANDS, [str(a) for a in arguments])
    names = ["annotated.mp4", "best.png", "latency.json", "people.jsonl"]
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == names
    # Each has the content that its name promises.
    assert cv2.imread(str(tmp_path / "demo" / "best.png")) is not None
    assert len(lines(tmp_path / "demo" / "people.jsonl")) == 24 == len(videos.read(tmp_path / "demo" / "annotated.mp4"))
    assert "pose" in (tmp_path / "demo" / "latency.json").read_text(encoding="utf-8")
    output = capsys.readouterr().err
    assert all(name in output for name in names)


def test_a_configuration_file_and_flags_are_merged(recording, bundle_folder, tmp_path, monkeypatch):
    config = ROOT / "configs/edge/laptop.yaml"
    monkeypatch.chdir(tmp_path)
    arguments = ("run", "--config", config, "--source", recording, "--bundle", bundle_folder, "--frames", 24)
    run_command_line("edge", "", COMMANDS, [str(a) for a in arguments])
    report = json.loads((tmp_path / "runs/edge/latency.json").read_text())
    assert report["frames"] == 24 and (tmp_path / "runs/edge/annotated.mp4").is_file()


def test_the_jetson_configuration_is_accepted_up_to_its_missing_engine(recording, bundle_folder, capsys):
    config = ROOT / "configs/edge/jetson.yaml"
    arguments = ("run", "--config", config, "--source", recording, "--bundle", bundle_folder)
    with pytest.raises(SystemExit) as left:
        run_command_line("edge", "", COMMANDS, [str(a) for a in arguments])
    # All keys are valid; only the engine, which is built on the device, is missing.
    assert left.value.code == 2 and "bundles/everyday/pose.engine" in capsys.readouterr().err
