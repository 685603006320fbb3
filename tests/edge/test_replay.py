"""A recording of poses gives back, bit for bit, what was made of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from parts import IMAGE, SCRIPT_LAYOUT, action_stage, moving_body, pose_result, real_recogniser

from edge.capture.pose_recording import RecordingHeader, frame_line, read_frames, read_header
from edge.capture.registry import open_source
from edge.contract.bundle import read_bundle
from edge.contract.errors import EngineError, SourceError
from edge.contract.types import Frame, FrameResult, Pose
from edge.sinks.recorder import recorder_sink

HEADER = RecordingHeader("trt_pose-18", 30.0, (64, 48), "a camera", "a network")


def record(path, results, size=HEADER.size):
    with recorder_sink(path, replace(HEADER, size=size)) as sink:
        for result in results:
            sink(result)
    return path


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float32, (18, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.floats(0, 1),
    st.floats(0, 1e9),
)
def test_every_number_comes_back_as_it_was(tmp_path_factory, keypoints, score, time_s):
    path = tmp_path_factory.getbasetemp() / "numbers.jsonl"
    result = FrameResult(Frame(7, time_s, IMAGE), (), {}, (Pose(keypoints, score),))
    path.write_text(HEADER.line() + "\n" + frame_line(result) + "\n")
    (frame,) = read_frames(path, read_header(path))
    assert frame.index == 7 and frame.time_s == time_s and frame.poses[0].score == score
    # A difference in the sign of a zero is one too.
    assert frame.poses[0].keypoints.tobytes() == keypoints.tobytes()


def told(results):
    """All that was made of the poses: who, where, what and when."""
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
    script[50:53] = [None] * 3  # the network broke
    script[120:160] = [[]] * 40  # nobody there
    stage = action_stage(bundle, hold=0.8, lead=0.1, min_score=0.3, smoothing=3)
    timed = zip(times, script, strict=True)
    live = [stage.process(pose_result(n, float(t), bodies)) for n, (t, bodies) in enumerate(timed)]
    path = record(tmp_path / "poses.jsonl", live)

    source = open_source(f"replay://{path}")
    again = action_stage(bundle, hold=0.8, lead=0.1, min_score=0.3, smoothing=3)
    pose = source.pose_stage()
    replayed = [again.process(pose.estimate(frame)) for frame in source]
    assert told(replayed) == told(live)
    assert again.finish() == stage.finish()
    assert len({event.kind for result in live for event in result.events}) >= 4


def test_a_student_that_failed_is_asked_again_in_the_replay(bundle_folder, tmp_path):
    """What the pose stage saw is the same whether the student answered or not: only what it could not see is lost."""
    bundle, broken = read_bundle(bundle_folder), iter([False, False, True])

    class Failing:
        def __init__(self):
            self._whole = real_recogniser(bundle)
            self.network_s = 0.0

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
    assert told([again.process(pose.estimate(frame)) for frame in source]) == told([whole.process(one) for one in seen])


def test_a_replay_says_what_it_is_and_shows_black_frames(tmp_path):
    path = record(tmp_path / "poses.jsonl", [FrameResult(Frame(4, 0.5, IMAGE), (), {})])
    source = open_source(f"replay://{path}")
    (frame,) = source
    assert (frame.index, frame.time_s, frame.image.shape, frame.image.any()) == (4, 0.5, (48, 64, 3), False)
    assert not source.live and source.size == (64, 48) and source.fps == 30
    assert "a camera" in source.describe() and "a network" in source.pose_stage().describe()
    assert source.pose_stage().layout == SCRIPT_LAYOUT


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a recording of poses"),
        ("{}\n", "not a recording of poses"),
        ("\x00\x01 no text\n", "not a recording of poses"),
        ('{"frame": 0, "people": []}\n', "not a recording of poses"),
        (HEADER.line().replace("trt_pose-18", "other-3") + "\n", "means nothing here"),
        (HEADER.line().replace('"version": 1', '"version": 9') + "\n", "version 9, this release reads 1"),
        (HEADER.line().replace('"fps": 30.0', '"fps": "fast"') + "\n", "not a recording of poses"),
        (HEADER.line().replace('"fps": 30.0', '"fps": 0') + "\n", "0 frames a second"),
        (HEADER.line().replace("[64, 48]", "[64, 0]") + "\n", "means nothing here"),
        (HEADER.line().replace("skd-edge poses", "skd-edge people") + "\n", "not a recording of poses"),
    ],
)
def test_what_is_no_recording_is_refused_when_opened(tmp_path, text, says):
    path = tmp_path / "poses.jsonl"
    path.write_text(text)
    with pytest.raises(SourceError, match=says):
        open_source(f"replay://{path}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"frame": 1, "time_s"', "breaks off"),
        ('{"frame": 1, "time_s": 0.1, "poses": []', "breaks off"),
        ("[]\n", "line 3"),
        ('{"frame": 1, "time_s": 0.0, "poses": []}\n', "time does not rise"),
        ('{"frame": 1, "time_s": 1.0, "poses": [{"score": 1, "keypoints": [[1, 2, 3]]}]}\n', "line 3"),
        ('{"frame": 1, "time_s": 1.0}\n', "line 3: no key 'poses'"),
        ('{"frame": 1e400, "time_s": 1.0, "poses": []}\n', "line 3"),
        ('{"frame": 1, "time_s": NaN, "poses": []}\n', "time does not rise"),
        (f'{{"frame": 1, "time_s": 1, "poses": [{{"score": 1, "keypoints": {[[1e300, 1, 1]] * 18}}}]}}\n', "finite"),
        ("\udcff\n", "line 3"),  # a byte that is no text
    ],
)
def test_damage_is_named_with_its_line_after_what_is_whole_was_given(tmp_path, line, says):
    path = tmp_path / "poses.jsonl"
    text = HEADER.line() + '\n{"frame":0,"time_s":0.0,"poses":[]}\n' + line
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    seen = []
    with pytest.raises(SourceError, match=says):
        seen += [frame.index for frame in read_frames(path, read_header(path)) if not seen.append(frame.index)]
    assert seen == [0]


def test_a_recording_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceError, match="no such recording"):
        open_source(f"replay://{tmp_path / 'none.jsonl'}")


def test_the_first_line_is_for_people_too(tmp_path):
    path = record(tmp_path / "poses.jsonl", [])
    first = json.loads(path.read_text().splitlines()[0])
    assert first["format"] == "skd-edge poses" and first["source"] == "a camera" and first["layout"] == "trt_pose-18"
