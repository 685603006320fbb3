"""A joint layout as a graph: hop distances, centre, parents and adjacency matrices."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from edge.contract.layouts import JointLayout

CENTRES = ("shoulder_centre", "neck", "spine", "hip_centre")
"""The centre is the first of these that a layout has, as in ST-GCN's release for NTU and OpenPose."""

TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""The centre of a layout that has none of CENTRES."""


def hop_distances(layout: JointLayout) -> Tensor:
    """(V, V) int64: bones on the shortest path between two joints; V where there is no path."""
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
    """Indices of the centre: one joint, else the corners of the trunk, else joint 0."""
    single = [layout.joints.index(name) for name in CENTRES if name in layout.joints]
    trunk = [layout.joints.index(name) for name in TRUNK if name in layout.joints]
    return tuple(single[:1] or trunk or [0])


def centre_distances(layout: JointLayout) -> Tensor:
    """(V,) int64: bones between each joint and the nearest joint of the centre."""
    return hop_distances(layout)[list(centre(layout))].amin(dim=0)


def parents(layout: JointLayout) -> tuple[int, ...]:
    """For each joint the neighbour one bone nearer to the centre; itself at the centre and where there is no path."""
    distance, out = hop_distances(layout), centre_distances(layout)
    found = []
    for joint in range(len(layout)):
        nearer = ((distance[joint] == 1) & (out == out[joint] - 1)).nonzero().flatten().tolist()
        found.append(nearer[0] if nearer else joint)
    return tuple(found)


def spatial_partition(layout: JointLayout) -> Tensor:
    """(3, V, V): adjacency of neighbours as far from the centre as the joint, nearer, farther; for ``x @ partition``.

    Entry [k, v, w] is 1 / (number of neighbours of w, itself included) if v is a neighbour of w in subset k, else 0;
    the sum over k and v is 1. Source: Yan et al., "Spatial Temporal Graph Convolutional Networks", AAAI 2018,
    equation 8 (spatial configuration partitioning), with the distances and normalisation of its release.
    """
    near = (hop_distances(layout) <= 1).float()
    scaled = near / near.sum(dim=0)
    out = centre_distances(layout)
    further = out[:, None] - out[None, :]
    return torch.stack([scaled * (further == 0), scaled * (further < 0), scaled * (further > 0)])


def hop_adjacencies(layout: JointLayout, most: int) -> Tensor:
    """(most + 1, V, V): for d = 0 to ``most``, D^-1/2 A D^-1/2 of the joints exactly d bones apart, D of that A."""
    distance = hop_distances(layout)
    matrices = []
    for d in range(most + 1):
        a = (distance == d).float()
        scale = a.sum(dim=1).clamp(min=1).rsqrt()
        matrices.append(scale[:, None] * a * scale[None, :])
    return torch.stack(matrices)
