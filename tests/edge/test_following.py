"""Who is followed: selected by a rule, kept while the tracker knows that person, with an event for each change."""

import json

import numpy as np
import pytest
from parts import SCRIPT_LAYOUT, action_stage, moving_body, pose_result
from test_replay import record, summary

from edge.capture.registry import open_source
from edge.contract.bundle import read_bundle
from edge.contract.errors import ConfigError
from edge.contract.types import Following, Pose
from edge.drawing.overlay import following_text
from edge.sinks.json_lines import record as json_record
from edge.tracking.following import Follower, PeopleConfig

FPS = 30.0
PICTURE = np.zeros((480, 640, 3), np.uint8)


@pytest.fixture
def bundle(bundle_folder):
    return read_bundle(bundle_folder)


def body(n, x, size=1.0):
    """A person whose upper left corner stays near (x, 60)."""
    keypoints = moving_body(n, x=0.0)
    keypoints[:, :2] = (keypoints[:, :2] - (0, 60)) * size + (x, 60)
    return keypoints


def run(bundle, follow, script):
    acting = action_stage(bundle, follow=follow)
    return [acting.process(pose_result(n, n / FPS, bodies, PICTURE)) for n, bodies in enumerate(script)]


def crowd(n):
    """A person at the left, a large one further right, and one at the centre of the frame (320, 240)."""
    middle = body(n, 250.0)
    middle[:, 1] += 240 - 135
    return [body(n, 10.0), body(n, 400.0, size=1.5), middle]


@pytest.mark.parametrize(("follow", "who"), [("first", 1), ("largest", 2), ("centre", 3), ("3", 3), ("2", 2)])
def test_the_rule_selects_one_person_for_all_decisions(bundle, follow, who):
    results = run(bundle, follow, [crowd(n) for n in range(60)])
    last = results[-1]
    assert last.following == Following(follow, who)
    assert {person.track_id: person.followed for person in last.people} == {n: n == who for n in (1, 2, 3)}
    assert {person.track_id for person in last.people if person.action} == {who}
    # The decisions about that person are those made when everybody is followed.
    everybody = {person.track_id: person for person in run(bundle, "all", [crowd(n) for n in range(60)])[-1].people}
    (chosen,) = (person for person in last.people if person.followed)
    assert chosen.action.label == everybody[who].action.label
    np.testing.assert_allclose(chosen.action.probabilities, everybody[who].action.probabilities, atol=1e-6)


def test_the_largest_person_is_the_one_whose_box_has_the_largest_area():
    follower, people = Follower(PeopleConfig("largest")), [body(0, 0.0) for _ in range(3)]
    # The first is twice as wide, the second twice as high and further down, the third larger in both.
    for keypoints, factor, place in zip(people, ((2, 1), (1, 2), (1.5, 1.5)), (0, 2000, 0), strict=True):
        keypoints[:, :2] = keypoints[:, :2] * factor + (0, place)
    found = [(n, Pose(keypoints, 0.9)) for n, keypoints in enumerate(people, 1)]
    assert follower.update(found, {1, 2, 3}, (640, 480)) == ({3}, True)


def test_the_person_at_the_centre_is_the_one_whose_box_is_nearest_to_it():
    follower, people = Follower(PeopleConfig("centre")), [body(0, 0.0) for _ in range(3)]
    # 20 pixels left of the centre of the frame and 60 above it; 10 right of it and 62 below; 100 below it.
    for keypoints, place in zip(people, ((300, 180), (330, 302), (320, 340)), strict=True):
        keypoints[:, :2] += place - (keypoints[:, :2].min(axis=0) + keypoints[:, :2].max(axis=0)) / 2
    found = [(n, Pose(keypoints, 0.9)) for n, keypoints in enumerate(people, 1)]
    assert follower.update(found, {1, 2, 3}, (640, 480)) == ({2}, True)
    # Once that person has left an empty scene, nobody is selected, and that is no new selection.
    assert follower.update([], set(), (640, 480)) == (set(), False) and follower.track_id is None


def test_everybody_is_followed_by_default(bundle):
    results = run(bundle, "all", [crowd(n) for n in range(60)])
    assert all(person.followed and person.action for person in results[-1].people)
    assert results[-1].following is None and following_text(results[-1]) == ""
    assert not any(event.kind == "person_followed" for result in results for event in result.events)


def test_the_selection_holds_when_somebody_larger_comes_and_during_an_occlusion(bundle):
    script = [[body(n, 10.0)] for n in range(30)]
    script += [[body(n, 10.0), body(n, 300.0, size=2)] for n in range(30, 60)]
    script += [[body(n, 300.0, size=2)] for n in range(60, 75)]  # half a second behind a pillar
    script += [[body(n, 10.0), body(n, 300.0, size=2)] for n in range(75, 100)]
    results = run(bundle, "largest", script)
    assert {result.following.track_id for result in results[3:]} == {1}
    assert following_text(results[70]) == "following #1 (largest), out of view"
    assert following_text(results[-1]) == "following #1 (largest)"
    assert sum(event.kind == "person_followed" for result in results for event in result.events) == 1


def test_after_the_person_has_left_another_is_selected_with_an_event(bundle):
    script = [[body(n, 10.0), body(n, 300.0, size=2)] for n in range(40)]
    script += [[body(n, 10.0)] for n in range(40, 100)]
    results = run(bundle, "largest", script)
    events = [(n, event) for n, result in enumerate(results) for event in result.events]
    switches = [(n, event.track_id) for n, event in events if event.kind == "person_followed"]
    assert [who for _, who in switches] == [2, 1]
    # The tracker keeps a lost person for a second; until then nobody else is selected.
    assert switches[1][0] == pytest.approx(40 + FPS, abs=2)
    assert [event.track_id for _, event in events if event.kind == "person_left"] == [2]
    # The buffer of the other person was filled all the time, so a decision comes at once.
    assert results[switches[1][0] + 6].people[0].action is not None


def test_an_estimator_that_jumps_to_another_person_changes_the_selection(bundle):
    # It sees one person, and from the second second on another one.
    script = [[body(n, 10.0 if n < 60 else 400.0)] for n in range(120)]
    results = run(bundle, "first", script)
    assert results[62].following.track_id == 1 and not any(person.followed for person in results[70].people)
    assert following_text(results[70]) == "following #1 (first), out of view"
    assert all(person.action is None for person in results[70].people)
    assert results[-1].following.track_id == 2


def test_a_track_id_that_is_not_in_view_follows_nobody(bundle):
    results = run(bundle, "7", [crowd(n) for n in range(40)])
    assert not any(person.followed or person.action for person in results[-1].people)
    assert following_text(results[-1]) == "following #7, out of view"


def test_an_empty_scene_follows_nobody(bundle):
    (result,) = run(bundle, "largest", [[]])
    assert result.following == Following("largest", None) and "nobody yet" in following_text(result)


def test_json_lines_name_the_person_followed(bundle):
    line = json_record(run(bundle, "largest", [crowd(n) for n in range(10)])[-1], SCRIPT_LAYOUT)
    assert json.loads(json.dumps(line["following"])) == {"rule": "largest", "track_id": 2}
    assert [person["followed"] for person in line["people"]] == [False, True, False]


@pytest.mark.parametrize("follow", ["largest", "centre", "first", "2"])
def test_a_replay_follows_the_same_people_bit_for_bit(bundle, tmp_path, follow):
    script = [crowd(n) for n in range(40)] + [None] * 3 + [crowd(n)[:1] for n in range(40, 110)]
    script += [crowd(n)[:2] for n in range(110, 160)]
    live_stage, again = (action_stage(bundle, follow=follow) for _ in range(2))
    live = [live_stage.process(pose_result(n, n / FPS, bodies, PICTURE)) for n, bodies in enumerate(script)]
    source = open_source(f"replay://{record(tmp_path / 'poses.jsonl', live, size=(640, 480))}")
    pose = source.pose_stage()
    replayed = [again.process(pose.estimate(frame)) for frame in source]
    assert summary(replayed) == summary(live)
    assert [result.following for result in replayed] == [result.following for result in live]
    assert [[p.followed for p in result.people] for result in replayed] == [
        [p.followed for p in result.people] for result in live
    ]


@pytest.mark.parametrize("follow", ["", "biggest", "0", "-1", "1.5"])
def test_an_unknown_rule_is_refused(follow):
    with pytest.raises(ConfigError, match=r"follow is"):
        PeopleConfig(follow)
