"""A joint layout as a graph: hop distances, centre, parents and adjacency matrices."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse.csgraph import shortest_path
from torch import Tensor

from edge.contract.layouts import JointLayout

CENTRES = ("shoulder_centre", "neck", "spine", "hip_centre")
"""The centre is the first of these that a layout has, as in ST-GCN's release for NTU and OpenPose."""

TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""The centre of a layout that has none of CENTRES."""


def hop_distances(layout: JointLayout) -> Tensor:
    """(V, V) int64: bones on the shortest path between two joints; V where there is no path."""
    bones = np.zeros((len(layout), len(layout)))
    for i, j in layout.edges:
        bones[i, j] = 1
    hops = shortest_path(bones, directed=False, unweighted=True)
    return torch.from_numpy(np.minimum(hops, len(layout)).astype(np.int64))


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
    equation 8 (spatial configuration partitioning), with the normalisation of its release. The release and PYSKL count
    no distance above one bone, so that most neighbours there are equally far from the centre.
    """
    near = (hop_distances(layout) <= 1).float()
    scaled = near / near.sum(dim=0)
    out = centre_distances(layout)
    further = out[:, None] - out[None, :]
    return torch.stack([scaled * (further == 0), scaled * (further < 0), scaled * (further > 0)])


def hop_adjacencies(layout: JointLayout, most: int) -> Tensor:
    """(most + 1, V, V): for d = 0 to ``most``, D^-1/2 A D^-1/2 of the joints exactly d bones apart, D of that A."""
    distance = hop_distances(layout)
    return torch.stack([normalised((distance == d).float()) for d in range(most + 1)])


def normalised(a: Tensor) -> Tensor:
    """D^-1/2 A D^-1/2 (V, V) of an adjacency A; a row of zeros stays one."""
    scale = a.sum(dim=1).clamp(min=1).rsqrt()
    return scale[:, None] * a * scale[None, :]
