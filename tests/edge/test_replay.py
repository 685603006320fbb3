"""A replay of recorded poses gives the same results, bit for bit."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from parts import IMAGE, SCRIPT_LAYOUT, ClipStudent, action_stage, moving_body, pose_result, real_recogniser

from edge.capture.pose_recording import RecordingHeader, frame_line, read_frames, read_header
from edge.capture.registry import open_source
from edge.contract.bundle import read_bundle
from edge.contract.errors import EngineError, SourceError
from edge.contract.types import Frame, FrameResult, Pose
from edge.sinks.json_lines import lines_sink

HEADER = RecordingHeader("trt_pose-18", 30.0, (64, 48), "a camera", "a network")


def record(path, results, size=HEADER.size):
    with lines_sink(path, frame_line, replace(HEADER, size=size).line()) as sink:
        for result in results:
            sink(result)
    return path


@settings(max_examples=50)
@given(
    arrays(np.float32, (18, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.floats(0, 1),
    st.floats(0, 1e9),
)
def test_every_number_survives_the_round_trip(tmp_path_factory, keypoints, score, time_s):
    path = tmp_path_factory.getbasetemp() / "numbers.jsonl"
    result = FrameResult(Frame(7, time_s, IMAGE), (), {}, (Pose(keypoints, score),))
    path.write_text(HEADER.line() + "\n" + frame_line(result) + "\n")
    (frame,) = read_frames(path, read_header(path))
    assert frame.index == 7 and frame.time_s == time_s and frame.poses[0].score == score
    # The sign of a zero counts too.
    assert frame.poses[0].keypoints.tobytes() == keypoints.tobytes()


def summary(results):
    """All results: people, poses, actions, events and times."""
    return [
        (
            result.frame.index,
            result.frame.time_s,
            result.failure,
            result.events,
            [
                (p.track_id, p.clip_fill, p.pose.keypoints.tobytes(), p.action and (p.action.label, p.action.score))
                for p in result.people
            ],
        )
        for result in results
    ]


def test_replayed_people_labels_and_events_are_the_same_bit_for_bit(bundle_folder, tmp_path):
    bundle, rng = read_bundle(bundle_folder), np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.01, 0.07, 200))
    script = [[moving_body(n), moving_body(2 * n, x=100 + n)] for n in range(200)]
    script[50:53] = [None] * 3  # the network failed
    script[120:160] = [[]] * 40  # nobody in view
    stage = action_stage(bundle, hold=0.8, lead=0.1, min_score=0.3, smoothing=3)
    timed = zip(times, script, strict=True)
    live = [stage.process(pose_result(n, float(t), bodies)) for n, (t, bodies) in enumerate(timed)]
    path = record(tmp_path / "poses.jsonl", live)

    source = open_source(f"replay://{path}")
    again = action_stage(bundle, hold=0.8, lead=0.1, min_score=0.3, smoothing=3)
    pose = source.pose_stage()
    replayed = [again.process(pose.estimate(frame)) for frame in source]
    assert summary(replayed) == summary(live)
    assert again.finish() == stage.finish()
    assert len({event.kind for result in live for event in result.events}) >= 4


def test_a_replay_runs_the_student_again_where_it_had_failed(bundle_folder, tmp_path):
    """The recorded poses do not depend on the student: only failures of the pose stage are recorded."""
    bundle, broken = read_bundle(bundle_folder), iter([False, False, True])

    class Failing(ClipStudent):
        def __init__(self):
            self._whole = real_recogniser(bundle)

        def recognise(self, clips):
            if next(broken, False):
                raise EngineError("out of memory")
            return self._whole.recognise(clips)

        def close(self):
            self._whole.close()

    seen = [pose_result(n, n / 10, [moving_body(n)]) for n in range(60)]
    stage = action_stage(bundle, open_recogniser=Failing)
    failing = [stage.process(one) for one in seen]
    assert sum(result.failure is not None for result in failing) == 1
    whole, again = action_stage(bundle), action_stage(bundle)
    source = open_source(f"replay://{record(tmp_path / 'poses.jsonl', failing)}")
    pose = source.pose_stage()
    assert summary([again.process(pose.estimate(frame)) for frame in source]) == summary(
        [whole.process(one) for one in seen]
    )


def test_a_replay_describes_its_origin_and_has_black_frames(tmp_path):
    path = record(tmp_path / "poses.jsonl", [FrameResult(Frame(4, 0.5, IMAGE), (), {})])
    source = open_source(f"replay://{path}")
    (frame,) = source
    assert (frame.index, frame.time_s, frame.image.shape, frame.image.any()) == (4, 0.5, (48, 64, 3), False)
    assert not source.live and source.size == (64, 48) and source.fps == 30
    assert "a camera" in source.describe() and "a network" in source.pose_stage().describe()
    assert source.pose_stage().layout == SCRIPT_LAYOUT
    path.write_text(path.read_text().replace('"fps": 30.0', '"fps": "30"'))
    assert "30 frames/s" in open_source(f"replay://{path}").describe()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a recording of poses"),
        ("{}\n", "not a recording of poses"),
        ("\x00\x01 no text\n", "not a recording of poses"),
        ('{"frame": 0, "people": []}\n', "not a recording of poses"),
        (HEADER.line().replace("trt_pose-18", "other-3") + "\n", "unknown layout or invalid size"),
        (HEADER.line().replace('"version": 1', '"version": 9') + "\n", "version 9, this release reads 1"),
        (HEADER.line().replace('"fps": 30.0', '"fps": "fast"') + "\n", "not a recording of poses"),
        (HEADER.line().replace('"fps": 30.0', '"fps": 0') + "\n", "fps is 0"),
        (HEADER.line().replace('"fps": 30.0', '"fps": 1e300') + "\n", "fps is 1e\\+300"),
        (HEADER.line().replace("[64, 48]", "[64, 0]") + "\n", "unknown layout or invalid size"),
        (HEADER.line().replace("skd-edge poses", "skd-edge people") + "\n", "not a recording of poses"),
    ],
)
def test_a_file_that_is_not_a_recording_is_refused_on_opening(tmp_path, text, says):
    path = tmp_path / "poses.jsonl"
    path.write_text(text)
    with pytest.raises(SourceError, match=says):
        open_source(f"replay://{path}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"frame": 1, "time_s"', "truncated"),
        ('{"frame": 1, "time_s": 0.1, "poses": []', "truncated"),
        ("[]\n", "line 3"),
        ('{"frame": 1, "time_s": 0.0, "poses": []}\n', "time_s does not increase"),
        ('{"frame": 1, "time_s": 1.0, "poses": [{"score": 1, "keypoints": [[1, 2, 3]]}]}\n', "line 3"),
        ('{"frame": 0, "time_s": 1.0, "poses": []}\n', "frame does not increase"),
        ('{"frame": 1, "time_s": 1.0}\n', "line 3: key 'poses' is missing"),
        ('{"frame": 1e400, "time_s": 1.0, "poses": []}\n', "line 3"),
        ('{"frame": 1, "time_s": NaN, "poses": []}\n', "time_s does not increase"),
        (f'{{"frame": 1, "time_s": 1, "poses": [{{"score": 1, "keypoints": {[[1e300, 1, 1]] * 18}}}]}}\n', "finite"),
        ('{"frame": 1, "time_s": 1e300, "poses": []}\n', "is no time of a clock"),
        ("\udcff\n", "line 3"),  # not UTF-8
    ],
)
def test_a_damaged_line_is_named_after_the_frames_before_it(tmp_path, line, says):
    path = tmp_path / "poses.jsonl"
    text = HEADER.line() + '\n{"frame":0,"time_s":0.0,"poses":[]}\n' + line
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    seen = []
    with pytest.raises(SourceError, match=says):
        seen += [frame.index for frame in read_frames(path, read_header(path)) if not seen.append(frame.index)]
    assert seen == [0]


def test_a_missing_recording_is_named(tmp_path):
    with pytest.raises(SourceError, match="no such recording"):
        open_source(f"replay://{tmp_path / 'none.jsonl'}")


def test_the_header_names_format_source_and_layout(tmp_path):
    path = record(tmp_path / "poses.jsonl", [])
    first = json.loads(path.read_text().splitlines()[0])
    assert first["format"] == "skd-edge poses" and first["source"] == "a camera" and first["layout"] == "trt_pose-18"
