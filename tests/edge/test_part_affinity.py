"""Limbs and people, against a slow reference, on random fields and on drawn people."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.pose.heatmap_estimator import parse
from edge.pose.heatmap_peaks import Peaks
from edge.pose.part_affinity import assemble, match_joints
from edge.pose.pose_network import TF_POSE, TRT_POSE, Link

LINKS = (Link(0, 1, 0, 1), Link(1, 2, 3, 2), Link(2, 0, 4, 5))


def reference_score(fields, link, start, end):
    """trt_pose's rule for one pair; start and end (x, y) in 0..1. Single precision, as there."""
    _, height, width = fields.shape
    size = np.array([width, height], np.float32)
    start, end = start * size, end * size
    way = end - start
    unit = way / (np.hypot(*way) + np.float32(1e-5))
    total = 0.0
    for progress in np.linspace(0, 1, 7, dtype=np.float32):
        column, row = (int(c) for c in start + way * progress)
        if 0 <= row < height and 0 <= column < width:
            total += fields[link.row_channel, row, column] * unit[1]
            total += fields[link.column_channel, row, column] * unit[0]
    return total / 7


def best_assignment(table):
    """The pairing with the largest sum, by trying all."""
    rows, columns = table.shape
    if rows > columns:
        return [(i, j) for j, i in best_assignment(table.T)]
    choices = [list(enumerate(p)) for p in permutations(range(columns), rows)]
    return max(choices, key=lambda pairs: sum(table[i, j] for i, j in pairs))


def random_case(seed):
    """Five peaks or fewer for each of three joints, also beside the map, where weights below 0 may put them, and fields
    of noise."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, 3)
    start = np.concatenate([[0], np.cumsum(counts)])
    xy = rng.uniform(-0.3, 1.3, (start[-1], 2)).astype(np.float32)
    if seed % 2:  # different joints at one place
        xy[start[:-1][counts > 0]] = xy[:1]
    peaks = Peaks(xy, rng.uniform(0.1, 1, start[-1]).astype(np.float32), start)
    fields = rng.uniform(-1, 1, (6, 9, 12)).astype(np.float32)
    return fields, peaks


@given(st.integers(0, 2**32 - 1))
def test_limbs_equal_the_best_assignment_of_reference_scores(seed):
    fields, peaks = random_case(seed)
    expected = set()
    for k, link in enumerate(LINKS):
        a, b = (range(peaks.start[j], peaks.start[j + 1]) for j in (link.start, link.end))
        if not len(a) or not len(b):
            continue
        table = np.array([[reference_score(fields, link, peaks.xy[i], peaks.xy[j]) for j in b] for i in a])
        expected |= {(k, a[i], b[j]) for i, j in best_assignment(table) if table[i, j] > 0.1}
    assert set(match_joints(fields, peaks, LINKS)) == expected


def reference_people(peaks, matches):
    """Components by repeated merging, instead of walking; each a set of peaks."""
    groups = [{n} for n in range(len(peaks.value))]
    for _, a, b in matches:
        one, other = (next(g for g in groups if n in g) for n in (a, b))
        if one is not other:
            groups.remove(other)
            one |= other
    return groups


@given(st.integers(0, 2**32 - 1))
def test_people_are_the_connected_components(seed):
    fields, peaks = random_case(seed)
    matches = match_joints(fields, peaks, LINKS)
    groups = sorted(reference_people(peaks, matches), key=min)
    people = assemble(peaks, matches)
    assert len(people) == len(groups)
    joint = np.repeat(np.arange(3), np.diff(peaks.start))
    for person, group in zip(people, groups, strict=True):
        for j in range(3):
            candidates = [n for n in group if joint[n] == j]
            if candidates:
                rows = np.column_stack([peaks.xy, peaks.value])[candidates]
                assert (rows == person[j]).all(axis=1).any()
            else:
                assert not person[j].any()


def test_a_component_with_a_joint_twice_keeps_the_one_reached_last():
    peaks = Peaks(np.eye(4, 2, dtype=np.float32), np.array([0.5, 0.6, 0.7, 0.8], np.float32), np.array([0, 2, 3, 4]))
    # From peak 0: then joint 1's peak 2, from which joint 0's second peak 1 is reached.
    people = assemble(peaks, [(0, 0, 2), (0, 1, 2)])
    assert people[:, :, 2].tolist() == [[pytest.approx(0.6), pytest.approx(0.7), 0], [0, 0, pytest.approx(0.8)]]
    # Breadth first: the neighbours 1 and 2 of peak 0 before theirs, 3 and then 4, both of the last joint.
    peaks = Peaks(np.zeros((5, 2), np.float32), np.arange(1, 6, dtype=np.float32), np.array([0, 1, 2, 3, 5]))
    assert assemble(peaks, [(0, 0, 1), (1, 0, 2), (2, 1, 3), (3, 2, 4)])[:, :, 2].tolist() == [[1, 2, 3, 5]]


BODY = {
    "nose": (0, -0.9), "neck": (0, -0.7), "left_eye": (0.05, -0.96), "right_eye": (-0.05, -0.96),
    "left_ear": (0.11, -0.92), "right_ear": (-0.11, -0.92), "left_shoulder": (0.2, -0.7),
    "right_shoulder": (-0.2, -0.7), "left_elbow": (0.3, -0.4), "right_elbow": (-0.3, -0.4),
    "left_wrist": (0.35, -0.1), "right_wrist": (-0.35, -0.1), "left_hip": (0.14, 0), "right_hip": (-0.14, 0),
    "left_knee": (0.16, 0.45), "right_knee": (-0.16, 0.45), "left_ankle": (0.17, 0.9), "right_ankle": (-0.17, 0.9),
}  # fmt: skip


def drawn(network, bodies, size=56):
    """Heatmaps and fields as the networks are trained to give; bodies: (x, y, half height) in cells."""
    rows, columns = np.mgrid[:size, :size] + 0.5
    heatmaps = np.zeros((len(network.joints), size, size), np.float32)
    fields = np.zeros((2 * len(network.links), size, size), np.float32)
    people = []
    for x, y, half in bodies:
        joints = np.array([(x + half * BODY[j][0], y + half * BODY[j][1]) for j in network.joints])
        people.append(joints / size)
        for heatmap, (u, v) in zip(heatmaps, joints, strict=True):
            np.maximum(heatmap, np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / 2), out=heatmap)
        for link in network.links:
            start, way = joints[link.start], joints[link.end] - joints[link.start]
            length = np.hypot(*way)
            unit = way / length
            along = (columns - start[0]) * unit[0] + (rows - start[1]) * unit[1]
            aside = np.abs((columns - start[0]) * unit[1] - (rows - start[1]) * unit[0])
            on_limb = (along >= -1) & (along <= length + 1) & (aside <= 1)
            fields[link.column_channel][on_limb], fields[link.row_channel][on_limb] = unit
    return heatmaps, fields, np.array(people)


@pytest.mark.parametrize("network", [TRT_POSE, TF_POSE], ids=lambda n: n.name)
@settings(max_examples=15)
@given(st.data())
def test_people_drawn_side_by_side_are_found(network, data):
    count = data.draw(st.integers(1, 3))
    bodies = [
        (12 + 16 * n + data.draw(st.floats(-1, 1)), data.draw(st.floats(26, 30)), data.draw(st.floats(18, 22)))
        for n in range(count)
    ]
    heatmaps, fields, truth = drawn(network, bodies)
    people = parse(heatmaps, fields, network)
    assert len(people) == count
    people = people[np.argsort(people[:, 0, 0])]
    assert (people[..., 2] > 0.5).all()
    assert np.abs(people[..., :2] - truth).max() * 56 < 0.2


def test_empty_maps_give_nobody():
    for network in (TRT_POSE, TF_POSE):
        heatmaps = np.zeros((len(network.joints), 28, 28), np.float32)
        fields = np.zeros((2 * len(network.links), 28, 28), np.float32)
        assert parse(heatmaps, fields, network).shape == (0, 18, 3)
