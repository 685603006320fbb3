"""Families of networks with heatmaps and part affinity fields: their channels, limbs and input scaling."""

from __future__ import annotations

from dataclasses import dataclass

from edge.contract.layouts import LAYOUTS


@dataclass(frozen=True)
class Link:
    """A limb: the heatmaps of its two joints, and the channels of its field."""

    start: int
    end: int
    row_channel: int
    column_channel: int


@dataclass(frozen=True)
class PoseNetwork:
    """A family of networks.

    joints: names of the heatmaps' channels, in order; a background channel may follow.
    links: limbs, with the channels of their fields.
    mean, std: per channel (RGB), in pixel values 0..255; the input is (pixel - mean) / std. A network with uint8 input
        does this itself.
    """

    name: str
    joints: tuple[str, ...]
    links: tuple[Link, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def _trt_pose() -> PoseNetwork:
    limbs = "16-14 14-12 17-15 15-13 12-13 6-8 7-9 8-10 9-11 2-3 1-2 1-3 2-4 3-5 4-6 5-7 18-1 18-6 18-7 18-12 18-13"
    # As in trt_pose's task file: joints are counted from one, the row component comes first.
    ends = [tuple(int(n) - 1 for n in limb.split("-")) for limb in limbs.split()]
    return PoseNetwork(
        name="trt_pose",
        joints=LAYOUTS["trt_pose-18"].joints,
        links=tuple(Link(a, b, 2 * k, 2 * k + 1) for k, (a, b) in enumerate(ends)),
        mean=(123.675, 116.28, 103.53),  # ImageNet's
        std=(58.395, 57.12, 57.375),
    )


def _tf_pose() -> PoseNetwork:
    # OpenPose's limbs in the order of their fields; the column component comes first.
    limbs = "1-8 8-9 9-10 1-11 11-12 12-13 1-2 2-3 3-4 2-16 1-5 5-6 6-7 5-17 1-0 0-14 0-15 14-16 15-17"
    ends = [tuple(int(n) for n in limb.split("-")) for limb in limbs.split()]
    return PoseNetwork(
        name="tf_pose",
        joints=LAYOUTS["openpose-18"].joints,
        links=tuple(Link(a, b, 2 * k + 1, 2 * k) for k, (a, b) in enumerate(ends)),
        mean=(127.5, 127.5, 127.5),
        std=(1.0, 1.0, 1.0),
    )


TRT_POSE, TF_POSE = _trt_pose(), _tf_pose()
