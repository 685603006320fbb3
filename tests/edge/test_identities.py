"""Identities over a whole scene, a scripted crossing behind a pillar; a real one is in test_demo_recording.py."""

import numpy as np
import pytest
from identity_metrics import idf1, switches
from test_tracker import PENN, pose

from edge.tracking.tracker import Tracker


def test_the_measures_are_those_of_their_papers():
    a, b = (0, 0, 10, 10), (20, 0, 30, 10)
    truth = [{1: a, 2: b}] * 4
    assert idf1(truth, [{5: a, 6: b}] * 4) == 1 and switches(truth, [{5: a, 6: b}] * 4) == 0
    # Swapped in the last of four frames: 6 of 8 boxes are explained, and both people have switched.
    swapped = [{5: a, 6: b}] * 3 + [{5: b, 6: a}]
    assert idf1(truth, swapped) == pytest.approx(2 * 6 / 16) and switches(truth, swapped) == 2
    # Half of the boxes missed: 2 * 4 / (8 + 4).
    assert idf1(truth, [{5: a}] * 4) == pytest.approx(8 / 12) and switches(truth, [{5: a}] * 4) == 0
    assert idf1(truth, [{}] * 4) == 0


def box(keypoints):
    seen = keypoints[keypoints[:, 2] > 0, :2]
    return (*seen.min(axis=0).tolist(), *seen.max(axis=0).tolist())


def crossing(fps, seed):
    """Three people: two walk towards each other and cross, one stands; a pillar hides whoever is behind it.

    Per frame: the boxes of who is in view by name, and their poses in any order, with an estimator's jitter
    and joints missed at random.
    """
    rng = np.random.default_rng(seed)
    for n in range(round(9 * fps)):
        t = n / fps
        places = {1: (100 * t, 100.0), 2: (900 - 100 * t, 150.0), 3: (1000.0, 120.0)}
        truth, poses = {}, []
        for who, (x, y) in places.items():
            if 600 <= x + 50 <= 640:
                continue  # behind the pillar
            body = pose(x, y)
            truth[who] = box(body.keypoints)
            body.keypoints[:, :2] += rng.normal(0, 2.0, (13, 2))
            body.keypoints[rng.random(13) < 0.1, 2] = 0
            poses.append(body)
        yield t, truth, [poses[i] for i in rng.permutation(len(poses))]


@pytest.mark.parametrize("fps", [12, 25, 60])
def test_people_who_cross_behind_a_pillar_keep_their_identities(fps):
    scores, switched = [], 0
    for seed in range(5):
        tracker, truth, found = Tracker(PENN), [], []
        for t, real, poses in crossing(fps, seed):
            truth.append(real)
            found.append({track: box(body.keypoints) for track, body in tracker.update(poses, t)})
        scores.append(idf1(truth, found))
        switched += switches(truth, found)
    # Two frames in each of three lives pass before a body counts; at 12 frames a second these are 2 % of the boxes.
    assert min(scores) > 0.95 and switched == 0
