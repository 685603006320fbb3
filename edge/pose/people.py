"""From limbs to people: the connected components of joints."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from edge.contract.types import Float32
from edge.pose.heatmap_peaks import Peaks


def assemble(peaks: Peaks, matches: Sequence[tuple[int, int, int]]) -> Float32:
    """People (P, K, 3) as x and y in 0..1 of the map and the heatmap's value; an absent joint is (0, 0, 0).

    matches: (link, start peak, end peak), links rising. A component is walked breadth first from its first
    peak, in the order of joints and then of links; should it hold a joint twice, the later one
    counts. A peak without limbs is a person of one joint. Source: trt_pose.
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
