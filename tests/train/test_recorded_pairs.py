"""Pairs from two recordings: a good sensor for the teacher, a cheap one for the student."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge.contract.errors import ConfigError, DataError
from edge.contract.layouts import layout
from edge.contract.preprocess import Preprocessing, clip_tensor
from edge.contract.types import Float32
from train.data.cameras import View, project
from train.data.clip import Recording, SkeletonClip, SkeletonSet, validated
from train.data.corruption.estimator_errors import EstimatorErrors
from train.data.pairs import PairConfig, PairDataset, clip_layout

PENN, COCO = layout("penn-13"), layout("coco-17")
HOW = Preprocessing(length_frames=16, fps=16.0)
PLAIN = PairConfig(preprocessing=HOW)


def bodies(names: tuple[str, ...], moments: np.ndarray, dimensions: int) -> Float32:
    """(1, S, V, D): a person with smooth paths. A joint's position depends only on its name and the time."""
    out = np.empty((1, len(moments), len(names), dimensions), np.float32)
    for v, name in enumerate(names):
        own = np.random.default_rng(list(name.encode()))
        at, swing, phase = own.normal(0, 1, dimensions), own.uniform(0.1, 0.4, dimensions), own.uniform(0, 6)
        out[0, :, v] = at + swing * np.sin(1.5 * moments[:, None] + phase)
    return out


def performance(dimensions: int = 2, *, good_fps: float = 100.0, poor_fps: float = 25.0, **clip: Any) -> SkeletonClip:
    """Two seconds, recorded by a penn-13 sensor and a slower coco-17 one."""
    scale = 100 if dimensions == 2 else 1
    joints = [
        bodies(names, np.linspace(0, 2, round(2 * fps) + 1), dimensions) * scale
        for names, fps in ((PENN.joints, good_fps), (COCO.joints, poor_fps))
    ]
    good, poor = joints
    low = Recording(poor, np.ones(poor.shape[:3], bool), poor_fps)
    whole = SkeletonClip("a", 0, good, np.ones(good.shape[:3], bool), good_fps, False, low)
    return replace(whole, **clip)


def recorded(*clips: SkeletonClip) -> SkeletonSet:
    return SkeletonSet("two sensors", ("wave",), "penn-13", clips, "by hand", "coco-17")


def draw(clip: SkeletonClip, *, train: bool = False, **config: Any) -> tuple[Float32, Float32]:
    clip = replace(clip, train=train)
    return PairDataset(recorded(clip), replace(PLAIN, **config), train=train, seed=0).draw(0)


COMMON = [PENN.joints.index(name) for name in PENN.joints if name in COCO.joints]


@pytest.mark.parametrize("span", ["whole", "window"])
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("train", [False, True])
def test_both_recordings_show_the_same_times_and_view(span: str, dimensions: int, train: bool) -> None:
    varied = {"rotate_deg": 40.0, "tempo": 0.2, "mirror": True}
    clip = performance(dimensions)
    # Only joints that both have, so that both have the same centre for the camera.
    clip.seen[:, :, PENN.joints.index("head")] = False
    clip.low.seen[:, :, [v for v, name in enumerate(COCO.joints) if name not in PENN.joints]] = False  # type: ignore[union-attr]
    for _ in range(3):
        low, high = draw(clip, span=span, layout="penn-13", train=train, **varied)
        assert (high[2, :, COMMON] == 1).all() and (low[2, :, COMMON] == 1).all()
        # 25 against 100 frames a second of paths of up to 0.4 trunks at 1.5 rad/s: they differ by sampling only.
        assert np.abs(low - high)[:2, :, COMMON].max() < 5e-3
        assert np.abs(np.diff(high[:2], axis=1)).max() > 2e-2, "the person moves"


def test_the_poor_clip_equals_the_devices_preprocessing_of_the_second_recording() -> None:
    clip = performance()
    low, high = draw(clip)
    assert clip.low is not None
    seen = np.concatenate([clip.low.joints[0], np.ones((51, 17, 1), np.float32)], axis=-1)
    device = clip_tensor([(seen, np.linspace(0, 15 / 16, 51))], COCO, HOW)
    np.testing.assert_allclose(low, device, atol=1e-5)
    assert high.shape == low.shape, "the good one comes in the layout that the device sees"
    nose, head = COCO.joints.index("nose"), PENN.joints.index("head")
    device = clip_tensor(
        [(np.concatenate([clip.joints[0], np.ones((201, 13, 1), np.float32)], -1), np.linspace(0, 15 / 16, 201))],
        PENN, HOW,
    )  # fmt: skip
    np.testing.assert_allclose(high[:, :, nose], device[:, :, head], atol=1e-5)
    assert not high[:, :, COCO.joints.index("left_ear")].any(), "penn-13 has no ears"


def test_a_window_covers_the_same_seconds_of_both_recordings() -> None:
    clip = performance(good_fps=32.0, poor_fps=8.0)
    low, high = draw(clip, span="window", layout="penn-13")
    # The central part of two seconds: 17/32 s to 47/32 s of both.
    at = 17 / 32 + np.arange(16) / 16
    seen = np.concatenate([bodies(PENN.joints, at, 2)[0] * 100, np.ones((16, 13, 1), np.float32)], -1)
    device = clip_tensor([(seen, np.arange(16) / 16)], PENN, HOW)
    np.testing.assert_allclose(high[:2], device[:2], atol=1e-3)
    # The root's line is fitted to slightly flattened paths at 8 frames a second.
    np.testing.assert_allclose(low[:2, :, COMMON], device[:2, :, COMMON], atol=2e-2)


def test_a_second_recording_is_not_corrupted_unless_drop_is_chosen() -> None:
    clip = performance()
    one, two = draw(clip, drop=1.0), draw(clip, drop=1.0, poor="recorded")
    assert (one[0][2] == 1).all() and np.array_equal(one[0], two[0])
    low, high = draw(clip, poor="drop", drop=0.0)
    assert np.array_equal(low, high)
    low, high = draw(clip, poor="estimator", estimator_errors=EstimatorErrors(miss=0.9))
    assert low[2].mean() < 0.5 * high[2].mean()


def test_a_joint_lost_by_the_second_sensor_is_unseen_for_the_student_only() -> None:
    clip = performance()
    assert clip.low is not None
    clip.low.seen[:, :, COCO.joints.index("left_wrist")] = False
    low, high = draw(clip)
    wrist = COCO.joints.index("left_wrist")
    assert not low[:, :, wrist].any() and (high[2, :, wrist] == 1).all()


def test_a_single_frame_beside_a_longer_second_recording_is_held_still() -> None:
    clip = performance()
    clip = replace(clip, joints=clip.joints[:, :1], seen=clip.seen[:, :1])
    for span in ("whole", "window"):
        low, high = draw(clip, span=span)
        assert np.abs(np.diff(high, axis=1)).max() < 1e-5 and (low[2] == 1).all()


def test_clips_without_a_second_recording_are_corrupted_or_refused_with_poor_recorded() -> None:
    alone = replace(performance(), low=None)
    low, _ = draw(alone)
    assert 0.3 < low[2].mean() / draw(alone, drop=0.0)[0][2].mean() < 0.5
    with pytest.raises(ConfigError, match="clip a: no second recording to take"):
        draw(alone, poor="recorded")
    with pytest.raises(ConfigError, match="needs the errors to simulate"):
        draw(alone, poor="estimator")


def test_clips_have_the_devices_layout_unless_another_is_chosen() -> None:
    both = recorded(performance())
    assert clip_layout(both, PLAIN) == "coco-17"
    assert clip_layout(both, replace(PLAIN, layout="kinect-20")) == "kinect-20"
    assert clip_layout(replace(both, low_layout=None), PLAIN) == "penn-13"


def test_a_cached_training_clip_equals_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [replace(performance(), id=str(n), train=True, low=None if n % 2 else performance().low) for n in range(4)]
    config = replace(PLAIN, mirror=True, layout="penn-13")
    order = np.random.default_rng(0).integers(0, 4, 40)
    keeping = PairDataset(recorded(*clips), config, train=True, seed=0).batch(order)
    monkeypatch.setattr("train.data.pairs.CACHE_BYTES", 0)
    anew = PairDataset(recorded(*clips), config, train=True, seed=0).batch(order)
    assert all(np.array_equal(a, b) for a, b in zip(keeping, anew, strict=True))


def test_a_3d_view_is_the_cameras() -> None:
    clip = performance(3)
    camera = (0.3, 0.1, 3.0)
    np.testing.assert_allclose(View(camera).keypoints(clip)[..., :2], project(clip.joints, clip.seen, *camera))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"joints": np.zeros((1, 5, 13, 2), np.float32)}, "its second recording: joints .* do not fit layout coco-17"),
        ({"joints": np.zeros((1, 51, 17, 4), np.float32)}, r"joints \(1, 51, 17, 4\) .* do not fit layout coco-17"),
        ({"joints": np.zeros((1, 51, 17, 2, 1), np.float32)}, "do not fit layout coco-17"),
        ({"joints": np.zeros((1, 51, 16, 2), np.float32), "seen": np.ones((1, 51, 16), bool)}, "do not fit"),
        ({"seen": np.ones((1, 50, 17), bool)}, r"seen \(1, 50, 17\) do not fit"),
        ({"fps": 0.0}, "its second recording: 0 frames per second"),
        ({"joints": np.zeros((1, 0, 17, 2), np.float32), "seen": np.zeros((1, 0, 17), bool)}, "do not fit"),
        ({"joints": np.full((1, 51, 17, 2), np.nan, np.float32)}, "its second recording: joints contain NaN"),
        ({"joints": np.zeros((2, 51, 17, 2), np.float32), "seen": np.ones((2, 51, 17), bool)}, "1 bodies, but 2"),
    ],
)
def test_second_recordings_are_validated_like_the_first(change: dict[str, Any], said: str) -> None:
    clip = performance()
    assert clip.low is not None
    with pytest.raises(DataError, match=said):
        validated(recorded(replace(clip, low=replace(clip.low, **change))))


@pytest.mark.parametrize("label", [-1, 1])
def test_a_label_that_is_no_class_is_refused(label: int) -> None:
    with pytest.raises(DataError, match=f"label {label} is not one of 1 classes"):
        validated(recorded(performance(label=label)))


def test_second_recordings_need_a_layout_and_may_show_nobody() -> None:
    clip = performance()
    with pytest.raises(DataError, match="names no layout"):
        validated(replace(recorded(clip), low_layout=None))
    assert clip.low is not None
    blind = replace(clip, low=replace(clip.low, seen=np.zeros_like(clip.low.seen)))
    low, _ = PairDataset(validated(recorded(blind)), PLAIN, train=False, seed=0).draw(0)
    assert not low.any()
