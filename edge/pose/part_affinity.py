"""Part affinity fields: connect joints to limbs, and limbs to people.

Source: Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", 2017;
sampling and optimal assignment per limb as in trt_pose.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from edge.contract.types import Float32
from edge.pose.heatmap_peaks import Peaks
from edge.pose.pose_network import Link

SAMPLES = 7
"""Points on the segment between two joints at which the field is read."""

MIN_SCORE = 0.1
"""Least score of a pair of joints that form a limb; trt_pose's value."""


def match_joints(fields: Float32, peaks: Peaks, links: Sequence[Link]) -> list[tuple[int, int, int]]:
    """(link, start peak, end peak) of every limb found in the fields (2 L, H, W).

    For each link, the assignment with the greatest sum of scores, without pairs up to MIN_SCORE. A score is the mean,
    over points on the segment between two peaks, of the field's component along it; points outside the map count as 0.
    """
    starts, ends = np.array([k.start for k in links]), np.array([k.end for k in links])
    count = np.diff(peaks.start)
    rows, columns = count[starts], count[ends]
    pairs = rows * columns
    offset = np.concatenate([[0], np.cumsum(pairs)])
    # Every candidate pair of every link, flattened: a is its start peak, b its end peak.
    link = np.repeat(np.arange(len(links)), pairs)
    within = np.arange(offset[-1]) - offset[link]
    a = peaks.start[starts[link]] + within // columns[link]
    b = peaks.start[ends[link]] + within % columns[link]
    scores = _scores(fields, peaks.xy, a, b, link, links)

    matches = []
    for k in np.flatnonzero(pairs).tolist():
        table = scores[offset[k] : offset[k + 1]].reshape(rows[k], columns[k])
        i, j = linear_sum_assignment(table, maximize=True)
        good = table[i, j] > MIN_SCORE
        first, second = int(peaks.start[starts[k]]), int(peaks.start[ends[k]])
        matches += [(k, first + n, second + m) for n, m in zip(i[good].tolist(), j[good].tolist(), strict=True)]
    return matches


def _scores(
    fields: Float32,
    xy: Float32,
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    link: NDArray[np.int64],
    links: Sequence[Link],
) -> Float32:
    """Scores (P,) of the pairs of peaks ``a`` and ``b`` (P,) for their ``link`` (P,)."""
    _, height, width = fields.shape
    cells = xy * np.array([width, height], np.float32)
    from_cell, segment = cells[a], cells[b] - cells[a]
    direction = segment / (np.hypot(segment[:, 0], segment[:, 1]) + np.float32(1e-5))[:, None]
    progress = np.linspace(0, 1, SAMPLES, dtype=np.float32)
    column = (from_cell[:, :1] + segment[:, :1] * progress).astype(np.int32)  # (P, 7)
    row = (from_cell[:, 1:] + segment[:, 1:] * progress).astype(np.int32)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    cell = np.where(inside, row * width + column, 0)
    flat = fields.reshape(-1)
    plane = height * width
    along_row = flat[np.array([k.row_channel for k in links])[link, None] * plane + cell]
    along_column = flat[np.array([k.column_channel for k in links])[link, None] * plane + cell]
    along = along_row * direction[:, 1:] + along_column * direction[:, :1]
    mean: Float32 = (along * inside).mean(axis=1)
    return mean


def assemble(peaks: Peaks, matches: Sequence[tuple[int, int, int]]) -> Float32:
    """People (P, K, 3) as x and y in 0..1 of the map and the heatmap's value; an absent joint is (0, 0, 0).

    matches: (link, start peak, end peak), sorted by link. A person is a connected component, visited breadth first from
    its first peak, neighbours in the order of links; if it has a joint twice, the later one counts. A peak without
    limbs is a person of one joint. Source: trt_pose.
    """
    joints = len(peaks.start) - 1
    joint = np.repeat(np.arange(joints), np.diff(peaks.start)).tolist()
    neighbours: list[list[int]] = [[] for _ in joint]
    for _, a, b in matches:
        neighbours[a].append(b)
        neighbours[b].append(a)
    visited = [False] * len(joint)
    found = []
    for first in range(len(joint)):
        if visited[first]:
            continue
        person = [-1] * joints
        queue = deque([first])
        while queue:
            peak = queue.popleft()
            if not visited[peak]:
                visited[peak] = True
                person[joint[peak]] = peak
                queue.extend(neighbours[peak])
        found.append(person)
    index = np.array(found, np.int64).reshape(-1, joints)
    people = np.concatenate([peaks.xy, peaks.value[:, None]], axis=1)[index]
    people[index < 0] = 0
    return people
