"""The action stage: joint mapping, decision rates, tracking, restarts and latencies."""

from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest
from parts import SCRIPT_LAYOUT, ClipStudent, action_stage, moving_body, pose_result

from edge.contract.bundle import read_bundle
from edge.contract.errors import LayoutError, StageError
from edge.contract.layouts import convert, layout
from edge.contract.preprocess import clip_tensor
from edge.contract.types import Event, Pose
from edge.latency import NETWORKS, OUTSIDE, POSE, RECOGNISE, TRACK
from edge.loop.action_stage import joints_read
from edge.loop.joint_dropout import JointDropout

FPS = 30.0


@pytest.fixture
def bundle(bundle_folder):
    return read_bundle(bundle_folder)


def run(bundle, script, **decisions):
    """Results of a script: per frame a list of (18, 3) bodies, or None if the pose stage failed."""
    stage = action_stage(bundle, **decisions)
    return [stage.process(pose_result(n, n / FPS, bodies)) for n, bodies in enumerate(script)]


def test_actions_equal_those_of_clips_cut_from_the_whole_recording(bundle):
    bodies = np.stack([moving_body(n) for n in range(120)])
    results = run(bundle, [[body] for body in bodies], hz=1000)
    session = ort.InferenceSession(str(bundle.folder / "student.onnx"))
    penn, times = convert(bodies, SCRIPT_LAYOUT, bundle.layout), np.arange(120) / FPS
    for n in range(60, 120, 13):
        # A track is confirmed in the third frame, but its earlier poses are in the clip.
        clip = clip_tensor([(penn[: n + 1], times[: n + 1])], bundle.layout, bundle.manifest.preprocessing)
        logits = session.run(None, {"clip": clip[None]})[0][0]
        (someone,) = results[n].people
        assert someone.action.label == bundle.manifest.classes[logits.argmax()]
        np.testing.assert_allclose(someone.pose.keypoints, bodies[n])


@pytest.mark.parametrize("hz", [2.0, 5.0, 10.0])
def test_decisions_come_at_the_configured_rate_and_persist_in_between(bundle, hz):
    results = run(bundle, [[moving_body(n)] for n in range(150)], hz=hz)
    decided = [n for n, result in enumerate(results) if RECOGNISE in result.latency_ms]
    assert set(np.diff(decided)) == {round(FPS / hz)}
    actions = [result.people[0].action for result in results[decided[0] :]]
    assert all(actions) and len({id(action) for action in actions}) == len(decided)


def test_decisions_are_not_a_frame_late_if_times_are_rounded_down(bundle):
    stage = action_stage(bundle, hz=5.0)
    results = [stage.process(pose_result(n, max(0.0, n / FPS - 5e-4), [moving_body(n)])) for n in range(90)]
    decided = [n for n, result in enumerate(results) if RECOGNISE in result.latency_ms]
    assert decided == list(range(decided[0], 90, 6)) and decided[0] % 6 == 0


def test_decisions_can_come_every_n_frames(bundle):
    results = run(bundle, [[moving_body(n)] for n in range(90)], stride_frames=7)
    decided = [n for n, result in enumerate(results) if RECOGNISE in result.latency_ms]
    assert set(np.diff(decided)) == {7}


def test_no_action_before_enough_of_the_clip_is_filled(bundle):
    results = run(bundle, [[moving_body(n)] for n in range(60)], hz=1000)
    for result in results:
        for someone in result.people:
            assert (someone.action is not None) == (someone.clip_fill >= 0.5)
    assert results[-1].people[0].action is not None
    # A clip lasts 31 frames at 15 Hz.
    assert [results[n].people[0].clip_fill for n in (31, 59)] == pytest.approx([0.5, 59 / 62])


def test_two_people_have_separate_clips(bundle):
    script = [[moving_body(n), moving_body(2 * n, x=400)] for n in range(90)]
    alone = run(bundle, [[bodies[0]] for bodies in script])
    together = run(bundle, script)
    first = {p.track_id: p for p in together[-1].people}
    np.testing.assert_allclose(first[1].action.probabilities, alone[-1].people[0].action.probabilities, atol=1e-5)
    assert set(first) == {1, 2}


def test_a_person_who_left_returns_with_a_new_track_id(bundle):
    script = [[moving_body(n)] for n in range(60)] + [[]] * 45 + [[moving_body(n)] for n in range(20)]
    results = run(bundle, script)
    assert not results[80].people
    (someone,) = results[-1].people
    assert someone.track_id == 2 and someone.action is None and someone.clip_fill < 0.4


def test_a_failure_of_the_pose_stage_is_not_an_empty_room_and_loses_no_track(bundle):
    script = [[moving_body(n)] for n in range(60)] + [None] * 5 + [[moving_body(n)] for n in range(65, 70)] + [[]]
    results = run(bundle, script)
    assert [result.failure is None for result in results] == [True] * 60 + [False] * 5 + [True] * 6
    assert [event.kind for event in results[62].events] == ["stage_failed"]
    assert not results[-1].people and results[-1].failure is None
    assert results[-2].people[0].track_id == results[59].people[0].track_id == 1


class Breaking(ClipStudent):
    """A recogniser that fails ``failures`` times, counted over all reopenings."""

    def __init__(self, failures):
        self.failures, self.opened, self.closed = failures, 0, 0

    def open(self):
        self.opened += 1
        return self

    def recognise(self, clips):
        if self.failures:
            self.failures -= 1
            raise RuntimeError("device lost")
        return np.full((len(clips), 4), 0.25, np.float32)

    def close(self):
        self.closed += 1


def test_a_failed_recogniser_is_reopened_and_tracks_are_kept(bundle):
    broken = Breaking(2)
    stage = action_stage(bundle, open_recogniser=broken.open, hz=1000)
    results = [stage.process(pose_result(n, n / FPS, [moving_body(n)])) for n in range(60)]
    failed = [result for result in results if result.failure is not None]
    assert len(failed) == 2 and failed[0].failure == "action: device lost" and failed[0].people
    assert (broken.opened, broken.closed) == (3, 2) and results[-1].people[0].action is not None
    events = [event for result in results for event in result.events if event.kind == "stage_failed"]
    assert events == [Event("stage_failed", result.frame.time_s, text="action: device lost") for result in failed]


def test_a_recogniser_that_keeps_failing_ends_the_run_with_its_cause(bundle):
    stage = action_stage(bundle, open_recogniser=Breaking(100).open, hz=1000)
    with pytest.raises(StageError, match=r"action stage failed 4 times within 60 s; the last time: device lost"):
        for n in range(60):
            stage.process(pose_result(n, n / FPS, [moving_body(n)]))


def test_times_inside_and_outside_the_networks_add_up_to_the_stages(bundle):
    class Timed(Breaking):
        def recognise(self, clips):
            self.network_s += 0.004
            return super().recognise(clips)

    stage = action_stage(bundle, open_recogniser=Timed(0).open, hz=10)
    for n in range(60):
        seen = replace(pose_result(n, n / FPS, [moving_body(n)]), latency_ms={POSE: 30.0}, network_s=0.02)
        spent = stage.process(seen).latency_ms
        assert spent[NETWORKS] == pytest.approx(24 if RECOGNISE in spent else 20)
        assert spent[NETWORKS] + spent[OUTSIDE] == pytest.approx(30 + spent[TRACK] + spent.get(RECOGNISE, 0))
    assert n == 59 and seen.latency_ms == {POSE: 30.0}, "the input is not modified"


def test_an_estimator_that_lacks_joints_is_refused():
    with pytest.raises(LayoutError, match="has no left_hand, right_hand, left_foot, right_foot"):
        joints_read(layout("trt_pose-18"), layout("kinect-20"))
    assert joints_read(layout("penn-13"), layout("penn-13")) == frozenset(range(13))


def test_only_joints_that_the_student_reads_are_reported_as_missed():
    blazepose = layout("blazepose-33")
    read = joints_read(blazepose, layout("penn-13"))
    names = {blazepose.joints[joint] for joint in read}
    limbs = {f"{s}_{j}" for s in ("left", "right") for j in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")}
    assert limbs <= names and not {name for name in names if "thumb" in name or "pinky" in name or "heel" in name}
    nothing = Pose(np.zeros((33, 3), np.float32), 1.0)
    dropout = JointDropout(33, read).update([nothing], 0.0)
    assert {joint for joint in range(33) if dropout[joint]} == read
