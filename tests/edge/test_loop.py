"""One turn of the loop: joints mapped, decisions at their rate, the same as from the whole recording."""

import numpy as np
import onnxruntime as ort
import pytest
import videos
from test_capture import Device, camera

from edge.contract.bundle import read_bundle
from edge.contract.errors import LayoutError, SourceError
from edge.contract.layouts import convert, layout
from edge.contract.preprocess import clip_tensor
from edge.contract.types import Frame, Pose
from edge.interruption import Interruption
from edge.latency import CAPTURE, RECOGNISE, StageTimer
from edge.loop import Loop, check_mapping
from edge.play import limited, play
from edge.recogniser import RecogniserConfig, open_recogniser
from edge.sinks.sink import Enough
from edge.tracker import Tracker

FPS = 30.0
DECIDED = RecogniserConfig(smoothing=1, min_score=0.0)
IMAGE = np.zeros((480, 640, 3), np.uint8)


def moving_body(n, x=100.0):
    """(18, 3) of trt_pose's layout: limbs swing around a fixed body."""
    rng = np.random.default_rng(5)
    at = rng.uniform(0, 150, (18, 2)) + np.array([x, 60])
    swing = 12 * np.sin(n / 5 + np.arange(18))[:, None]
    return np.column_stack([at + swing, np.ones(18)]).astype(np.float32)


class Scripted:
    """An estimator that sees what it is told to: per picture, one (18, 3) array a body."""

    layout = layout("trt_pose-18")
    network_s = 0.0

    def __init__(self, script):
        self.script = iter(script)

    def estimate(self, image):
        return [Pose(keypoints, 0.9) for keypoints in next(self.script, [])]


@pytest.fixture
def bundle(bundle_folder):
    return read_bundle(bundle_folder)


def made(bundle, script, *, decisions_hz=5.0, config=DECIDED):
    timer, recogniser = StageTimer(0), open_recogniser(bundle, config)
    estimator = Scripted(script)
    tracker = Tracker(estimator.layout)
    loop = Loop(bundle, estimator, tracker, recogniser, timer, decisions_hz=decisions_hz, min_fill=config.min_fill)
    return loop, timer


def run(bundle, script, **how):
    loop, timer = made(bundle, script, **how)
    results = []
    for n in range(len(script)):
        results.append(loop.step(Frame(n, n / FPS, IMAGE)))
        timer.next_frame()
    return results, timer


def test_actions_are_those_of_clips_cut_from_the_whole_recording(bundle):
    bodies = np.stack([moving_body(n) for n in range(120)])
    results, _ = run(bundle, [[body] for body in bodies], decisions_hz=1000)
    session = ort.InferenceSession(str(bundle.folder / "student.onnx"))
    penn, times = convert(bodies, Scripted.layout, bundle.layout), np.arange(120) / FPS
    for n in range(60, 120, 13):
        # The track counts from its third picture on.
        clip = clip_tensor([(penn[2 : n + 1], times[2 : n + 1])], bundle.layout, bundle.manifest.preprocessing)
        logits = session.run(None, {"clip": clip[None]})[0][0]
        (someone,) = results[n].people
        assert someone.action.label == bundle.manifest.classes[logits.argmax()]
        np.testing.assert_allclose(someone.pose.keypoints, bodies[n])


@pytest.mark.parametrize("decisions_hz", [2.0, 5.0, 10.0])
def test_decisions_come_at_their_rate_and_stand_in_between(bundle, decisions_hz):
    results, timer = run(bundle, [[moving_body(n)] for n in range(150)], decisions_hz=decisions_hz)
    decided = [n for n, result in enumerate(results) if RECOGNISE in result.latency_ms]
    assert set(np.diff(decided)) == {round(FPS / decisions_hz)}
    assert timer.summary()[RECOGNISE].frames == len(decided)
    actions = [result.people[0].action for result in results[decided[0] :]]
    assert all(actions) and len({id(action) for action in actions}) == len(decided)


def test_nobody_is_decided_about_before_enough_of_the_clip_is_seen(bundle):
    results, _ = run(bundle, [[moving_body(n)] for n in range(60)], decisions_hz=1000)
    for result in results:
        for someone in result.people:
            assert (someone.action is not None) == (someone.clip_fill >= 0.5)
    assert results[-1].people[0].action is not None


def test_two_people_have_clips_of_their_own(bundle):
    script = [[moving_body(n), moving_body(2 * n, x=400)] for n in range(90)]
    alone, _ = run(bundle, [[bodies[0]] for bodies in script])
    together, _ = run(bundle, script)
    first = {p.track_id: p for p in together[-1].people}
    np.testing.assert_allclose(first[1].action.probabilities, alone[-1].people[0].action.probabilities, atol=1e-5)
    assert set(first) == {1, 2}


def test_who_left_is_forgotten_and_returns_as_somebody_new(bundle):
    script = [[moving_body(n)] for n in range(60)] + [[]] * 45 + [[moving_body(n)] for n in range(20)]
    results, _ = run(bundle, script)
    assert not results[80].people
    (someone,) = results[-1].people
    assert someone.track_id == 2 and someone.action is None and someone.clip_fill < 0.4


def test_an_estimator_whose_joints_do_not_suffice_is_refused():
    with pytest.raises(LayoutError, match="gives no left_hand, right_hand, left_foot, right_foot"):
        check_mapping(layout("trt_pose-18"), layout("kinect-20"))
    check_mapping(layout("blazepose-33"), layout("kinect-20"))
    check_mapping(layout("trt_pose-18"), layout("penn-13"))


def test_a_camera_that_drops_out_for_good_keeps_what_was_found(bundle):
    source, _ = camera(Device([videos.picture(n) for n in range(5)]))
    loop, timer = made(bundle, [])
    seen = []
    played = play(
        limited(source, timer, frames=None, limit_s=None), source, loop, None, [seen.append], timer, Interruption()
    )
    assert len(seen) == played.frames == 5 and isinstance(played.dropped_out, SourceError)


class Pictures:
    """A recording of the pictures given; raises what comes last, if that is an error."""

    uri, fps, size, live = "recording", 25.0, (320, 240), False

    def __init__(self, count, error=None):
        self.count, self.error, self.length_frames = count, error, count

    def __iter__(self):
        for n in range(self.count):
            yield Frame(n, n / self.fps, videos.picture(n))
        if self.error:
            raise self.error


def test_a_recording_that_breaks_off_is_an_error(bundle):
    loop, timer = made(bundle, [])
    source = Pictures(4, SourceError("breaks off"))
    with pytest.raises(SourceError, match="breaks off"):
        play(limited(source, timer, frames=None, limit_s=None), source, loop, None, [], timer, Interruption())


@pytest.mark.parametrize(
    ("limits", "frames"), [((None, None), 50), ((7, None), 7), ((None, 1.0), 26), ((5, 1.0), 5), ((900, 900.0), 50)]
)
def test_limits_end_the_run(bundle, limits, frames):
    loop, timer = made(bundle, [])
    source = Pictures(50)
    pictures = limited(source, timer, frames=limits[0], limit_s=limits[1])
    assert play(pictures, source, loop, None, [], timer, Interruption()).frames == frames
    assert pictures.total in (frames, frames - 1)
    assert timer.summary()[CAPTURE].frames > 0


def test_a_sink_that_has_enough_ends_the_run_as_its_source_would(bundle):
    loop, timer = made(bundle, [])

    def three(result):
        if result.frame.index == 3:
            raise Enough

    source = Pictures(50)
    played = play(limited(source, timer, frames=None, limit_s=None), source, loop, None, [three], timer, Interruption())
    assert played.frames == 3 and played.dropped_out is None


def test_a_signal_ends_the_run_after_the_frame_under_way(bundle):
    loop, timer = made(bundle, [])
    stop, seen = Interruption(), []

    def second(result):
        seen.append(result)
        if len(seen) == 2:
            stop.signum = 2

    source = Pictures(50)
    played = play(limited(source, timer, frames=None, limit_s=None), source, loop, None, [second], timer, stop)
    assert played.frames == len(seen) == 2 and stop.exit_code == 130
