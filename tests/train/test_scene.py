"""Scenes of people who occlude each other, with a moving camera."""

import numpy as np

from edge.contract.layouts import layout
from train.data.clip import SkeletonSet, validated
from train.data.generated.kinematic import CLASSES
from train.data.generated.scene import HEIGHT_PX, WIDTH_PX, make_scene, scene_clips


def test_seen_joints_are_in_the_image_and_unseen_ones_are_zero() -> None:
    shares = []
    for seed in range(5):
        truth = make_scene(3, 2.0, seed).truth
        seen = truth[..., 2] > 0
        shares.append(seen.mean())
        assert (truth[seen][:, :2] >= 0).all() and (truth[seen][:, :2] < (WIDTH_PX, HEIGHT_PX)).all()
        assert (truth[~seen] == 0).all()
    assert 0.7 < np.mean(shares) < 1


def test_the_camera_moves() -> None:
    scenes = (make_scene(8, 6.0, seed) for seed in range(100))
    scene = next(scene for scene in scenes if "stand" in scene.actions)
    head = scene.truth[scene.actions.index("stand"), :, 0]
    assert np.ptp(head[head[:, 2] > 0, 0]) > 20


def test_joints_behind_a_trunk_are_occluded() -> None:
    # Many people in a narrow view cross each other; without occlusion only the image border hides joints.
    scene = make_scene(12, 4.0, seed=1)
    hip = layout("kinect-20").index("left_hip", "right_hip")
    far_from_border = np.abs(scene.truth[..., 0] - WIDTH_PX / 2) < WIDTH_PX / 4
    known = scene.truth[..., 2] > 0
    inner = (known & far_from_border).sum(axis=-1) >= 8
    assert (~known[..., list(hip)].all(axis=-1) & inner).any()


def test_the_same_seed_gives_the_same_scene() -> None:
    one, two = make_scene(2, 1.0, seed=9), make_scene(2, 1.0, seed=9)
    assert one.actions == two.actions and np.array_equal(one.truth, two.truth)


def test_people_of_scenes_become_recordings_of_their_action() -> None:
    clips = tuple(scene_clips(6))
    validated(SkeletonSet("scenes", CLASSES, "kinect-20", clips, ""))
    assert 6 <= len(clips) <= 18 and {clip.train for clip in clips} == {True, False}
    # The first person of the first scene.
    truth = make_scene(3, 3.0, seed=0)
    assert clips[0].label == CLASSES.index(truth.actions[0]) and clips[0].joints.shape == (1, 90, 20, 2)
    np.testing.assert_array_equal(clips[0].joints[0], truth.truth[0, ..., :2])
    # No scene is in both parts.
    parts = [{clip.id.split("-")[2] for clip in clips if clip.train == train} for train in (True, False)]
    assert not parts[0] & parts[1]
