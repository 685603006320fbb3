"""Pairs: what teacher and student get of one recording."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from edge.contract.layouts import convert, layout
from edge.contract.preprocess import Preprocessing, clip_tensor
from edge.contract.types import Float32
from train.data.clip import SkeletonClip, SkeletonSet
from train.data.corruption.estimator_errors import EstimatorErrors
from train.data.generated.kinematic import make_kinematic
from train.data.pairs import PairConfig, PairDataset, PairKey, mirror

PENN = layout("penn-13")
# 16 frames at 16 Hz: a window of 15/16 of a second whose times need no rounding.
HOW = Preprocessing(length_frames=16, fps=16.0)
PLAIN = PairConfig(preprocessing=HOW, drop=0.0)
Config = dict[str, Any]


def walker(frames: int, fps: float = 32.0, *, train: bool = False, seed: int = 0) -> SkeletonClip:
    """A fully visible body that walks to the right, 10 pixels per frame."""
    rng = np.random.default_rng(seed)
    standing = np.array([[0, -80], [20, -60], [-20, -60], [30, -30], [-30, -30], [32, 0], [-32, 0]], np.float32)
    legs = np.array([[12, 0], [-12, 0], [14, 40], [-14, 40], [15, 80], [-15, 80]], np.float32)
    xy = np.concatenate([standing, legs])[None] + rng.normal(0, 3, (frames, 13, 2)) + [300, 200]
    xy[..., 0] += 10 * np.arange(frames)[:, None]
    joints = xy[None].astype(np.float32)
    return SkeletonClip(f"walk-{seed}", 0, joints, np.ones(joints.shape[:3], bool), fps, train)


def pairs(clips: list[SkeletonClip], *, train: bool = False, seed: int = 0, **config: Any) -> PairDataset:
    data = SkeletonSet("walks", ("walk",), "penn-13", tuple(clips), "by hand")
    return PairDataset(data, replace(PLAIN, **config), train=train, seed=seed)


def keypoints(clip: SkeletonClip) -> Float32:
    return np.concatenate([clip.joints[0], clip.seen[0][..., None]], axis=-1).astype(np.float32)


def test_only_clips_of_the_chosen_part_are_used() -> None:
    data = make_kinematic(3, seed=0)
    test, train = (PairDataset(data, PLAIN, train=part, seed=0) for part in (False, True))
    assert (len(train), len(test)) == (2 * len(data.classes), len(data.classes))
    assert test.labels.tolist() == list(range(len(data.classes)))


def test_a_test_pair_depends_only_on_its_clip() -> None:
    data = make_kinematic(3, seed=0)
    one, two = (PairDataset(data, replace(PLAIN, drop=0.6), train=False, seed=0) for _ in range(2))
    forwards = [one.draw(i) for i in range(len(one))]
    backwards = [two.draw(i) for i in reversed(range(len(two)))][::-1]
    for (low, high), (same_low, same_high) in zip(forwards, backwards, strict=True):
        assert np.array_equal(low, same_low) and np.array_equal(high, same_high)
    assert not np.array_equal(
        PairDataset(data, replace(PLAIN, drop=0.6), train=False, seed=1).draw(0)[0], forwards[0][0]
    )


def test_clips_are_interpolated_as_the_preprocessing_says() -> None:
    straight, curved = (
        pairs([walker(9)], preprocessing=replace(HOW, between=between)).draw(0)[1] for between in ("line", "curve")
    )
    assert not np.allclose(straight, curved, atol=1e-3)


def test_training_pairs_differ_by_key_and_not_by_order() -> None:
    drawn, again = (pairs([walker(64, train=True)], train=True, drop=0.6) for _ in range(2))
    first, later, elsewhere = drawn.draw(0), drawn.draw(0, epoch=1), drawn.draw(0, position=1)
    assert not np.array_equal(first[0], later[0]) and not np.array_equal(first[0], elsewhere[0])
    assert np.array_equal(again.draw(0, epoch=1)[0], later[0])
    assert not np.array_equal(pairs([walker(64, train=True)], train=True, drop=0.6, seed=1).draw(0)[0], first[0])


def test_a_training_window_differs_by_key() -> None:
    drawn = pairs([walker(64, train=True)], train=True, span="window")
    assert len({drawn.draw(0, epoch=epoch)[1].tobytes() for epoch in range(8)}) > 4


def test_poor_drop_ignores_estimator_errors() -> None:
    spoilt = {
        poor: pairs([walker(40)], drop=1.0, poor=poor, estimator_errors=EstimatorErrors()) for poor in ("drop", "auto")
    }
    seen = {poor: drawn.draw(0)[0][2] > 0 for poor, drawn in spoilt.items()}
    assert not seen["drop"].any() and seen["auto"].mean() > 0.5


def test_pairs_are_cached_read_only_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.data.pairs.CACHE_BYTES", 1)
    test = pairs([walker(40), walker(40, seed=1)], drop=0.6)
    kept, made_anew = ([test.draw(clip)[0] for _ in range(2)] for clip in (0, 1))
    assert kept[0] is kept[1] and made_anew[0] is not made_anew[1]
    with pytest.raises(ValueError, match="read-only"):
        kept[0][:] = 0
    train = pairs([walker(40, train=True), walker(40, train=True, seed=1)], train=True)
    kept, made_anew = ([train.draw(clip, epoch)[1] for epoch in range(2)] for clip in (0, 1))
    assert kept[0] is kept[1] and made_anew[0] is not made_anew[1]


def test_without_redraw_a_training_clip_misses_the_same_joints_in_every_epoch() -> None:
    clips = [walker(64, train=True), walker(64, train=True)]
    drawn = pairs(clips, train=True, drop=0.6, redraw=False, rotate_deg=20.0)
    (one, high), (two, turned) = drawn.draw(0), drawn.draw(0, epoch=1, position=5)
    assert np.array_equal(one[2], two[2]), "the third channel is visibility"
    assert not np.allclose(high[:2], turned[:2]), "the roll still differs"
    assert not np.array_equal(one[2], drawn.draw(1)[0][2]), "another clip misses other joints"


def test_an_item_is_a_pair_and_its_label() -> None:
    drawn = pairs([walker(64, train=True)], train=True, drop=0.6)
    low, high, label = drawn[PairKey(0, 3, 7)]
    assert label == 0
    for one, other in zip((low, high), drawn.draw(0, 3, 7), strict=True):
        assert np.array_equal(one, other)


def test_a_batch_stacks_the_pairs_of_its_clips() -> None:
    test = pairs([walker(20, seed=s) for s in range(3)], drop=0.6)
    low, high, labels = test.batch(np.array([2, 0]))
    assert low.shape == high.shape == (2, 3, 16, 13, 1) and labels.tolist() == [0, 0]
    assert low.dtype == high.dtype == np.float32
    assert np.array_equal(low[0], test.draw(2)[0]) and np.array_equal(high[1], test.draw(0)[1])


@pytest.mark.parametrize("span", ["whole", "window"])
def test_the_good_clip_equals_the_devices_preprocessing(span: str) -> None:
    clip = walker(40)
    _, high = pairs([clip], span=span).draw(0)
    if span == "whole":  # 40 frames over the 15/16 s of the clip
        device = clip_tensor([(keypoints(clip), np.linspace(0, 15 / 16, 40))], PENN, HOW)
    else:  # 39/32 s, of which the central 30/32 s: 4.5 frames on either side
        device = clip_tensor([(keypoints(clip), np.arange(40) / 32)], PENN, HOW, end_s=(39 - 4.5) / 32)
    np.testing.assert_allclose(high, device, atol=1e-4)


def test_an_unseen_joint_is_zero_for_the_teacher_as_on_the_device() -> None:
    clip = walker(40)
    clip.seen[:, :, 5] = False
    clip.joints[:, :, 5] = np.nan
    _, high = pairs([clip]).draw(0)
    assert not high[:, :, 5].any() and np.isfinite(high).all()


def test_joints_are_converted_to_the_networks_layout() -> None:
    clip = walker(16, fps=16.0)
    low, high = pairs([clip], span="window", layout="coco-17").draw(0)
    coco = layout("coco-17")
    device = clip_tensor([(convert(keypoints(clip), PENN, coco), np.arange(16) / 16)], coco, HOW)
    np.testing.assert_allclose(high, device, atol=1e-4)
    assert np.array_equal(low, high), "nothing was dropped"


@pytest.mark.parametrize("fps", [16.0, 15.0])
def test_a_dropped_joint_is_the_mean_of_three_frames_to_either_side(fps: float) -> None:
    clip = walker(16, fps=fps)
    low, high = pairs([clip], span="window", drop=0.5, preprocessing=replace(HOW, fps=fps)).draw(0)
    kept = low[2, :, :, 0] > 0.5
    # Normalisation is affine in time, so it can be undone to compare the imputed coordinates.
    ours, truth = low[:2, ..., 0], keypoints(clip)[..., :2].transpose(2, 0, 1)
    imputed = truth.copy()
    for t, v in zip(*np.nonzero(~kept), strict=True):
        near = [s for s in range(max(t - 3, 0), min(t + 4, 16)) if kept[s, v]]
        assert near, "with this seed every joint is seen once in seven frames"
        imputed[:, t, v] = truth[:, near, v].mean(axis=1)
    hips = imputed[:, :, [7, 8]].mean(axis=2)
    shoulders = imputed[:, :, [1, 2]].mean(axis=2)
    size = np.median(np.linalg.norm(hips - shoulders, axis=0))
    line = np.stack([np.polyval(np.polyfit(np.arange(16), axis, 1), np.arange(16)) for axis in hips])
    np.testing.assert_allclose(ours, (imputed - line[..., None]) / size, atol=1e-3)
    assert not np.allclose(ours, high[:2, ..., 0], atol=1e-3)


def test_estimator_errors_replace_dropping() -> None:
    clean = EstimatorErrors(**dict.fromkeys(("jitter", "drift", "miss", "limb_miss", "swap", "outlier"), 0.0))
    low, high = pairs([walker(30)], drop=1.0, estimator_errors=replace(clean, jitter=0.05)).draw(0)
    assert (low[2] == 1).all()
    off = (low - high)[:2]
    assert 0.02 < off.std() < 0.1, "noise of a twentieth of a trunk, less what normalisation removes"


@given(st.integers(0, 1000), st.sampled_from(["penn-13", "kinect-20", "coco-17"]))
def test_mirroring_swaps_sides_and_twice_is_the_identity(seed: int, name: str) -> None:
    joints = layout(name)
    body = np.random.default_rng(seed).normal(0, 100, (4, len(joints), 3)).astype(np.float32)
    once = mirror(body, joints)
    assert np.array_equal(mirror(once, joints), body)
    left, right = joints.index("left_wrist", "right_wrist")
    assert np.array_equal(once[:, left], body[:, right] * np.array([-1, 1, 1], np.float32))


def test_half_of_the_training_clips_are_mirrored_if_asked() -> None:
    recording = walker(16, fps=16.0, train=True)
    _, plain = pairs([replace(recording, train=False)], span="window", mirror=True).draw(0)
    drawn = pairs([recording], train=True, span="window", mirror=True)
    same = sum(np.allclose(drawn.draw(0, epoch)[1], plain, atol=1e-4) for epoch in range(200))
    assert binom.ppf(1e-6, 200, 0.5) <= same <= binom.ppf(1 - 1e-6, 200, 0.5)
    unasked = pairs([recording], train=True, span="window")
    assert all(np.allclose(unasked.draw(0, epoch)[1], plain, atol=1e-4) for epoch in range(20))


def test_a_training_clip_is_rolled_by_up_to_the_angle_that_is_set() -> None:
    recording = walker(16, fps=16.0, train=True)
    plain = pairs([recording], train=True, span="window").draw(0)[1]
    drawn = pairs([recording], train=True, span="window", rotate_deg=10.0)
    rolled = [drawn.draw(0, epoch)[1] for epoch in range(50)]
    angles = np.degrees([np.angle(np.vdot(plain[0] + 1j * plain[1], one[0] + 1j * one[1])) for one in rolled])
    assert (angles.min(), angles.max()) == pytest.approx((-10, 10), abs=1)


@pytest.mark.parametrize(("angle", "narrowest", "widest"), [("max_yaw_deg", 0.94, 1), ("max_pitch_deg", 1, 1.06)])
def test_a_virtual_camera_turns_by_up_to_the_angle_that_is_set(angle: str, narrowest: float, widest: float) -> None:
    # Turned by 20 degrees, shoulders are narrower by cos(20 degrees) = 0.94; seen from above, the trunk is shorter.
    body = walker(16, train=True)
    metres = np.concatenate([body.joints[:, [0] * 16] * (0.01, -0.01), np.zeros((1, 16, 13, 1))], axis=-1)
    recording, ahead = replace(body, joints=metres.astype(np.float32)), {"max_yaw_deg": 0.0, "max_pitch_deg": 0.0}

    def widths(**angles: Any) -> Float32:
        drawn = pairs([recording], train=True, **angles)
        high = np.array([drawn.draw(0, epoch)[1] for epoch in range(50)])
        return np.asarray(high[:, 0, 0, 1, 0] - high[:, 0, 0, 2, 0])

    turned = widths(**ahead | {angle: 20.0}) / widths(**ahead)
    assert (turned.min(), turned.max()) == pytest.approx((narrowest, widest), abs=0.01)


def test_clips_are_not_augmented() -> None:
    clips = [walker(40, seed=s) for s in range(8)]
    plain = pairs(clips, span="window", drop=0.6)
    varied = pairs(clips, span="window", drop=0.6, mirror=True, rotate_deg=30.0, tempo=0.3)
    for i in range(8):
        for one, other in zip(plain.draw(i), varied.draw(i), strict=True):
            assert np.array_equal(one, other)


def test_a_recording_shorter_than_the_window_is_padded_with_its_end_poses() -> None:
    # 9 frames at 32 Hz are 1/4 s, in a window of 15/16 s.
    _, high = pairs([walker(9)], span="window", preprocessing=replace(HOW, centre="clip")).draw(0)
    still = np.abs(np.diff(high[:2], axis=1)).max(axis=(0, 2, 3))
    assert (still[:5] == 0).all() and (still[-5:] == 0).all() and (still[6:9] > 0).all()


@pytest.mark.parametrize("frames", [2, 3, 9])
def test_a_short_recording_is_stretched_without_gaps(frames: int) -> None:
    # Stretched to 15/16 s or 10 s, its frames are further apart than max_gap_s, which is about recorded times.
    for how in (replace(HOW, max_gap_s=0.05), replace(HOW, length_frames=161)):
        _, high = pairs([walker(frames)], preprocessing=how).draw(0)
        assert (high[2] == 1).all()


def test_frames_of_a_window_that_are_far_apart_are_not_interpolated() -> None:
    # Frames are 1/32 s apart, and the clip's times lie halfway between them.
    _, high = pairs([walker(40)], span="window", preprocessing=replace(HOW, max_gap_s=0.02)).draw(0)
    assert not high.any()


@pytest.mark.parametrize("span", ["whole", "window"])
@pytest.mark.parametrize("train", [True, False])
def test_a_recording_of_one_frame_is_a_still_body(span: str, train: bool) -> None:
    clip = walker(1, train=train)
    low, high = pairs([clip], train=train, span=span, tempo=0.2).draw(0)
    assert np.isfinite(low).all() and (high[2] == 1).all()
    assert np.abs(np.diff(high, axis=1)).max() < 1e-5
