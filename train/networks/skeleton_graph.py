"""A joint layout as a graph: how far joints are apart, which way the body's middle lies, who hangs on whom."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from edge.contract.layouts import JointLayout

CENTRES = ("shoulder_centre", "neck", "spine", "hip_centre")
"""The joint that others hang on: the first of these that a layout has, as in ST-GCN's release for NTU and OpenPose."""

TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""Where there is none of those, these four surround the middle."""


def hop_distances(layout: JointLayout) -> Tensor:
    """(V, V) int64: bones on the shortest way between two joints; V where there is none."""
    neighbours: list[list[int]] = [[] for _ in layout.joints]
    for i, j in layout.edges:
        neighbours[i].append(j)
        neighbours[j].append(i)
    distance = torch.full((len(layout), len(layout)), len(layout), dtype=torch.int64)
    for start in range(len(layout)):
        distance[start, start] = 0
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for there in neighbours[here]:
                if distance[start, there] == len(layout):
                    distance[start, there] = distance[start, here] + 1
                    queue.append(there)
    return distance


def centre(layout: JointLayout) -> tuple[int, ...]:
    """The joints in the middle of the body: one, or the corners of the trunk, or the first where nothing is known."""
    single = [layout.joints.index(name) for name in CENTRES if name in layout.joints]
    trunk = [layout.joints.index(name) for name in TRUNK if name in layout.joints]
    return tuple(single[:1] or trunk or [0])


def centre_distances(layout: JointLayout) -> Tensor:
    """(V,) int64: bones between each joint and the nearest joint of the middle."""
    return hop_distances(layout)[list(centre(layout))].amin(dim=0)


def parents(layout: JointLayout) -> tuple[int, ...]:
    """For each joint its neighbour one bone nearer to the middle; itself in the middle, and where no bone leads."""
    distance, out = hop_distances(layout), centre_distances(layout)
    found = []
    for joint in range(len(layout)):
        nearer = ((distance[joint] == 1) & (out == out[joint] - 1)).nonzero().flatten().tolist()
        found.append(nearer[0] if nearer else joint)
    return tuple(found)


def spatial_partition(layout: JointLayout) -> Tensor:
    """(3, V, V): neighbours as far from the middle as the joint itself, nearer, farther; for ``x @ partition``.

    Entry [k, v, w] is 1 / (neighbours of w, itself included) where v is a neighbour of w in subset k, else 0, so the
    sum over subsets and v is 1. Source: Yan et al., "Spatial Temporal Graph Convolutional Networks", AAAI 2018,
    equation 8 (spatial configuration), distances and normalisation as in its release.
    """
    near = (hop_distances(layout) <= 1).float()
    scaled = near / near.sum(dim=0)
    out = centre_distances(layout)
    further = out[:, None] - out[None, :]
    return torch.stack([scaled * (further == 0), scaled * (further < 0), scaled * (further > 0)])


def hop_adjacencies(layout: JointLayout, most: int) -> Tensor:
    """(most + 1, V, V): joints exactly d bones apart, each D^-1/2 A D^-1/2 by its own degrees."""
    distance = hop_distances(layout)
    matrices = []
    for d in range(most + 1):
        a = (distance == d).float()
        scale = a.sum(dim=1).clamp(min=1).rsqrt()
        matrices.append(scale[:, None] * a * scale[None, :])
    return torch.stack(matrices)
