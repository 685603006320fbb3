"""Scenes for trackers and camera loops."""

import numpy as np
import pytest

from edge.contract.errors import LayoutError
from edge.contract.layouts import layout
from train.data.clip import SkeletonSet, checked
from train.data.corruption import EstimatorErrors
from train.data.kinematic import CLASSES
from train.data.scene import HEIGHT_PX, WIDTH_PX, make_scene, scene_clips

FLAWLESS = EstimatorErrors(jitter=0, drift=0, miss=0, limb_miss=0, swap=0, outlier=0)


def test_every_frame_yields_the_poses_of_who_is_in_view_with_their_identity() -> None:
    scene = make_scene(4, 3.0, seed=0)
    frames = list(scene.frames())
    assert [time for time, _, _ in frames] == pytest.approx(np.arange(90) / 30)
    for s, (_, poses, who) in enumerate(frames):
        assert len(set(who)) == len(who) == len(poses) <= 4
        for pose, person in zip(poses, who, strict=True):
            assert np.array_equal(pose.keypoints, scene.estimated[person, s])
            assert pose.keypoints.dtype == np.float32 and 0 < pose.score <= 1
    assert len({tuple(who) for _, _, who in frames}) > 1, "an estimator reports bodies in no lasting order"


def test_seen_joints_lie_in_the_picture_and_unseen_ones_are_zero() -> None:
    shares = []
    for seed in range(5):
        truth = make_scene(3, 2.0, seed).truth
        seen = truth[..., 2] > 0
        shares.append(seen.mean())
        assert (truth[seen][:, :2] >= 0).all() and (truth[seen][:, :2] < (WIDTH_PX, HEIGHT_PX)).all()
        assert (truth[~seen] == 0).all()
    assert 0.7 < np.mean(shares) < 1


def test_a_flawless_estimator_reports_the_truth() -> None:
    scene = make_scene(3, 1.0, seed=2, errors=FLAWLESS)
    assert np.array_equal(scene.estimated[..., :2], scene.truth[..., :2])


def test_a_usual_estimator_misses_some_joints_and_moves_the_others() -> None:
    scene = make_scene(4, 4.0, seed=3)
    truth, estimated = scene.truth[..., 2] > 0, scene.estimated[..., 2] > 0
    assert not (estimated & ~truth).any()
    assert 0.02 < (truth & ~estimated).sum() / truth.sum() < 0.25
    off = np.linalg.norm((scene.truth - scene.estimated)[truth & estimated][:, :2], axis=-1)
    assert 0.5 < np.median(off) < 30


def test_the_camera_moves_even_where_people_do_not() -> None:
    scenes = (make_scene(8, 6.0, seed, errors=FLAWLESS) for seed in range(100))
    scene = next(scene for scene in scenes if "stand" in scene.actions)
    head = scene.truth[scene.actions.index("stand"), :, 0]
    assert np.ptp(head[head[:, 2] > 0, 0]) > 20


def test_who_stands_behind_a_trunk_is_hidden_there() -> None:
    # Many people in a narrow view cross each other; without occlusion only the picture's border hides joints.
    scene = make_scene(12, 4.0, seed=1, errors=FLAWLESS)
    hip = scene.layout.index("left_hip", "right_hip")
    far_from_border = np.abs(scene.truth[..., 0] - WIDTH_PX / 2) < WIDTH_PX / 4
    known = scene.truth[..., 2] > 0
    inner = (known & far_from_border).sum(axis=-1) >= 8
    assert (~known[..., list(hip)].all(axis=-1) & inner).any()


def test_the_layout_is_chosen_by_name() -> None:
    scene = make_scene(1, 0.5, seed=0, joints="coco-17")
    assert scene.layout == layout("coco-17") and scene.truth.shape == (1, 15, 17, 3)
    with pytest.raises(LayoutError, match="unknown joint layout"):
        make_scene(1, 0.5, seed=0, joints="coco")


def test_the_same_seed_gives_the_same_scene() -> None:
    one, two = make_scene(2, 1.0, seed=9), make_scene(2, 1.0, seed=9)
    assert one.actions == two.actions and np.array_equal(one.estimated, two.estimated)


def test_people_of_scenes_become_recordings_of_their_action() -> None:
    clips = tuple(scene_clips(6))
    checked(SkeletonSet("scenes", CLASSES, "kinect-20", clips, ""))
    assert 6 <= len(clips) <= 18 and {clip.train for clip in clips} == {True, False}
    # The first person of the first scene, as the scene has it.
    truth = make_scene(3, 3.0, seed=0, joints="kinect-20")
    assert clips[0].label == CLASSES.index(truth.actions[0]) and clips[0].joints.shape == (1, 90, 20, 2)
    np.testing.assert_array_equal(clips[0].joints[0], truth.truth[0, ..., :2])
    # No scene is both trained and tested on.
    parts = [{clip.id.split("-")[2] for clip in clips if clip.train == train} for train in (True, False)]
    assert not parts[0] & parts[1]
