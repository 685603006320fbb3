"""The loop with a streaming student: choice of the form, times of decisions, independence of people."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import tiny_bundle
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from parts import SCRIPT_LAYOUT, action_stage, moving_body, pose_result

from edge.capture.pose_recording import RecordingHeader, frame_line
from edge.capture.registry import open_source
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import ConfigError, EngineError, MissingDependency
from edge.contract.layouts import convert
from edge.contract.preprocess import clip_tensor
from edge.recognition.decisions import DecisionConfig
from edge.recognition.form import open_student
from edge.recognition.recogniser import RecogniserConfig, softmax
from edge.recognition.streaming.recogniser import StreamRecogniser
from edge.sinks.json_lines import lines_sink

FPS = 30.0
KNOWN = {
    "accuracy": {"test_clips": 100, "int8": {"top1": 0.9}},
    "frames_per_clip": {"int8": 10.0},
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tiny_bundle.make(tmp_path_factory.mktemp("streaming") / "tiny")
    manifest = read_bundle(folder).manifest
    write_manifest(folder, replace(manifest, accuracy={"test_clips": 100, "int8": {"top1": 0.902}}))
    return read_bundle(tiny_bundle.add_stream(folder, **KNOWN))


def opened(bundle, form="stream"):
    return open_student(bundle, RecogniserConfig(form=form, threads=1), DecisionConfig())


def stage(bundle, **decisions):
    return action_stage(bundle, open_recogniser=lambda: opened(bundle), **decisions)


def run(bundle, script, **decisions):
    """Results of a script at 30 frames a second: per frame one (18, 3) array a body, or None where no answer came."""
    running = stage(bundle, **decisions)
    return [running.process(pose_result(n, n / FPS, bodies)) for n, bodies in enumerate(script)]


def actions(results, track_id=1):
    found = [{p.track_id: p for p in result.people}.get(track_id) for result in results]
    return [someone and someone.action for someone in found]


def expected(bundle, bodies):
    """Number of frames at 15 Hz -> probabilities, by the network's own recursion over the clip of the recording."""
    how, times = bundle.manifest.stream.preprocessing, np.arange(len(bodies)) / FPS
    frames = min(how.length_frames, (len(bodies) + 1) // 2)
    whole = replace(how, length_frames=frames)
    penn = convert(bodies, SCRIPT_LAYOUT, bundle.layout)
    clip = clip_tensor([(penn, times)], bundle.layout, whole, (frames - 1) / 15)
    model = onnx.load(bundle.folder / "stream.4.onnx")
    weights = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}["weights"]
    found, past = {}, np.zeros(3)
    for end in range(4, frames + 1, 4):
        past = past / 2 + clip[:, end - 4 : end, :, 0].sum(axis=(1, 2))
        found[end] = softmax((weights @ past)[None].astype(np.float32))[0]
    return found


def test_only_the_person_followed_streams_and_the_next_one_catches_up(bundle):
    script = [[moving_body(n), moving_body(2 * n, x=400)] for n in range(90)]
    script += [[bodies[1]] for bodies in ([moving_body(n), moving_body(2 * n, x=400)] for n in range(90, 150))]
    results = run(bundle, script, follow="first", hz=1000)
    assert actions(results[:90], 2) == [None] * 90 and any(actions(results[:90], 1))
    # The first is forgotten a second after having left; the second's last seconds are known by then.
    (chosen,) = (n for n, r in enumerate(results) if n > 2 and any(e.kind == "person_followed" for e in r.events))
    assert 118 <= chosen <= 123 and actions(results, 2)[chosen] is not None


def test_nothing_is_kept_of_a_person_who_left(bundle):
    running = stage(bundle, hz=1000)
    script = [[moving_body(n)] for n in range(60)] + [[]] * 45
    results = [running.process(pose_result(n, n / FPS, bodies)) for n, bodies in enumerate(script)]
    assert any(actions(results))
    assert not running._tracks and not running._student.get()._streams


def test_the_loops_stream_equals_the_recursion_over_the_recording(bundle):
    bodies = np.stack([moving_body(n) for n in range(64)])
    given = actions(run(bundle, [[body] for body in bodies], min_fill=0.0, hz=1000))
    wanted = expected(bundle, bodies)
    assert len(wanted) == 8
    for frames, probabilities in wanted.items():
        # Frame n of 15 a second is frame 2n of 30; a person counts from the third on, but was seen before.
        action = given[2 * (frames - 1)]
        np.testing.assert_allclose(action.probabilities, probabilities, atol=2e-4)
        assert action.label == bundle.manifest.classes[probabilities.argmax()]


def test_decisions_come_with_complete_cycles_at_most_at_the_configured_rate(bundle):
    script = [[moving_body(n)] for n in range(150)]
    for decisions, apart in (({"hz": 1000}, {8}), ({"hz": 1.0}, {24, 32}), ({"stride_frames": 16}, {16})):
        given = actions(run(bundle, script, **decisions))
        changed = [n for n in range(1, 150) if given[n] is not given[n - 1]]
        # The first may come at any time in its period.
        assert set(np.diff(changed[1:])) <= apart and len(changed) > 3


def test_there_is_no_decision_before_min_fill_nor_soon_after_a_gap(bundle):
    script = [[moving_body(n)] for n in range(80)] + [[]] * 20 + [[moving_body(n)] for n in range(100, 160)]
    results = run(bundle, script, hz=1000)
    for result in results:
        for someone in result.people:
            assert (someone.action is not None) == (someone.clip_fill >= 0.5)
    assert results[99].people == () and results[79].people[0].action is not None
    assert results[100].people[0].track_id == 1 and results[100].people[0].clip_fill == 0
    alone = actions(run(bundle, script[100:], hz=1000))
    # The stream restarted with the first frame after the gap, as for a new person.
    assert actions(results)[-1].label == alone[-1].label
    np.testing.assert_allclose(actions(results)[-1].probabilities, alone[-1].probabilities, atol=2e-4)


@settings(max_examples=12)
@given(
    spells=st.lists(st.tuples(st.integers(5, 40), st.booleans(), st.booleans()), min_size=2, max_size=6),
    broken=st.sets(st.integers(0, 100), max_size=5),
)
def test_people_who_come_go_and_pause_have_independent_decisions(bundle, spells, broken):
    there = [present for frames, *present in spells for _ in range(frames)]
    places = (100.0, 400.0)

    def script(people):
        return [
            None if n in broken else [moving_body(n, x=places[who]) for who in people if present[who]]
            for n, present in enumerate(there)
        ]

    def decided(results, x):
        """Decisions about the person at x, frame by frame."""
        found = []
        for result in results:
            near = [p for p in result.people if abs(p.pose.keypoints[:, 0].mean() - x - 75) < 100]
            found.append([(p.clip_fill, p.action and p.action.probabilities.tobytes()) for p in near])
        return found

    together = run(bundle, script((0, 1)), hz=1000)
    for who, x in enumerate(places):
        assert decided(together, x) == decided(run(bundle, script((who,)), hz=1000), x)


def test_a_replay_gives_the_same_decisions_bit_for_bit(bundle, tmp_path):
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.01, 0.07, 200))
    script = [[moving_body(n), moving_body(2 * n, x=100 + n)] for n in range(200)]
    script[50:53] = [None] * 3  # the pose network broke
    script[120:160] = [[]] * 40  # nobody there
    live = stage(bundle)
    timed = zip(times, script, strict=True)
    results = [live.process(pose_result(n, float(t), bodies)) for n, (t, bodies) in enumerate(timed)]
    path = tmp_path / "poses.jsonl"
    header = RecordingHeader("trt_pose-18", 30.0, (64, 48), "a camera", "a network")
    with lines_sink(path, frame_line, header.line()) as sink:
        for result in results:
            sink(result)
    source, again = open_source(f"replay://{path}"), stage(bundle)
    pose = source.pose_stage()
    replayed = [again.process(pose.estimate(frame)) for frame in source]
    decided = [
        [[(p.track_id, p.clip_fill, p.action and p.action.probabilities.tobytes()) for p in r.people] for r in outcome]
        for outcome in (results, replayed)
    ]
    assert decided[0] == decided[1]
    assert [r.events for r in results] == [r.events for r in replayed] and again.finish() == live.finish()
    assert any(action for action in actions(results))


def test_a_failed_stream_is_reopened_and_catches_up(bundle):
    lives = []

    def open_once_broken():
        recogniser = opened(bundle)
        if not lives:
            recogniser._network = Breaking(recogniser._network, after=8)
        lives.append(recogniser)
        return recogniser

    running = action_stage(bundle, open_recogniser=open_once_broken, hz=1000)
    results = [running.process(pose_result(n, n / FPS, [moving_body(n)])) for n in range(90)]
    assert [r.failure for r in results if r.failure] == ["action: device lost"]
    assert len(lives) == 2 and isinstance(lives[1], StreamRecogniser)
    broke = next(n for n, r in enumerate(results) if r.failure)
    after = results[broke + 1].people[0]
    assert after.track_id == 1 and after.clip_fill >= 0.9 and actions(results)[-1] is not None


class Breaking:
    """A network whose step fails once, after so many."""

    def __init__(self, network, after):
        self._network, self._left = network, after

    def __getattr__(self, name):
        return getattr(self._network, name)

    def step(self, stream, frame):
        self._left -= 1
        if self._left == 0:
            raise RuntimeError("device lost")
        return self._network.step(stream, frame)


AUTO, CLIP, STREAM = (RecogniserConfig(form=form, threads=1) for form in ("auto", "clip", "stream"))


def test_form_auto_streams_where_that_is_cheaper_within_the_budget(bundle):
    assert isinstance(open_student(bundle, AUTO, DecisionConfig(hz=5)), StreamRecogniser)
    given_file = RecogniserConfig(network=bundle.folder / "student.onnx", threads=1)
    for clips in (CLIP, given_file):
        assert not isinstance(open_student(bundle, clips, DecisionConfig(hz=5)), StreamRecogniser)
    described = open_student(bundle, STREAM, DecisionConfig()).describe()
    assert described.startswith("tiny, 4 classes, streaming") and "1 thread" in described


@pytest.mark.parametrize(
    ("about", "decisions"),
    [
        ({}, {"hz": 1.5}),
        ({}, {"stride_frames": 10}),
        ({"accuracy": {"test_clips": 100, "int8": {"top1": 0.89}}}, {}),
        ({"accuracy": {"test_clips": 99, "int8": {"top1": 0.9}}}, {}),
        ({"accuracy": {}}, {}),
        ({"accuracy": {"test_clips": 100, "int8": {"top1": None}}}, {}),
        ({"frames_per_clip": {"fp32": 10.0}}, {}),
    ],
    ids=["few decisions", "few frames", "less accurate", "other clips", "no accuracy", "empty accuracy", "no cost"],
)
def test_form_auto_uses_clips_otherwise(bundle, about, decisions):
    form = replace(bundle.manifest.stream, **about)
    other = replace(bundle, manifest=replace(bundle.manifest, stream=form))
    assert not isinstance(open_student(other, AUTO, DecisionConfig(**decisions)), StreamRecogniser)
    assert isinstance(open_student(other, STREAM, DecisionConfig(**decisions)), StreamRecogniser)


def test_form_auto_uses_the_students_engine_if_the_stream_has_none(bundle, tmp_path):
    copied = tmp_path / "bundle"
    copied.mkdir()
    for path in bundle.folder.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    (copied / "student.engine").write_bytes(b"built here")
    found = read_bundle(copied)
    with pytest.raises((EngineError, MissingDependency), match=r"student\.engine"):
        open_student(found, AUTO, DecisionConfig())
    (copied / "stream.4.int8.engine").write_bytes(b"built here too")
    with pytest.raises((EngineError, MissingDependency), match=r"stream\.4\.int8\.engine"):
        open_student(found, AUTO, DecisionConfig())


def test_a_missing_stream_is_refused_in_one_line(bundle, bundle_folder):
    others = {name: entry for name, entry in bundle.manifest.files.items() if not name.startswith("stream.4.int8")}
    without = replace(bundle, manifest=replace(bundle.manifest, files=others))
    plain = read_bundle(bundle_folder)
    assert plain.manifest.stream is None
    for lacking in (without, plain):
        assert not isinstance(open_student(lacking, AUTO, DecisionConfig()), StreamRecogniser)
        with pytest.raises(ConfigError, match="the bundle has no int8 stream networks") as refused:
            open_student(lacking, STREAM, DecisionConfig())
        assert "recogniser.form" in str(refused.value)


def test_a_stream_that_fails_the_self_test_is_refused(tmp_path):
    folder = tiny_bundle.add_stream(tiny_bundle.make(tmp_path / "tiny"), **KNOWN)
    opened(read_bundle(folder)).self_test(read_bundle(folder)).require("the student")
    with np.load(folder / "stream.reference.npz") as reference:
        np.savez(folder / "stream.reference.npz", clips=reference["clips"], logits=-reference["logits"])
    write_manifest(folder, read_bundle(folder).manifest)
    with pytest.raises(EngineError, match="agrees with the bundle's reference on only"):
        opened(read_bundle(folder)).self_test(read_bundle(folder)).require("the student")
