"""The articulated body: joints where the anatomy says, feet that do not slide, arms that rest as their postures say."""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from train.data.generated.arms import BOTH_ARMS, ONE_ARM, TOGETHER, resting_arms
from train.data.generated.body import ANGLES, LAYOUT, RATIOS, SIDES, Body, on_floor, pose

FPS = 30.0
STATURE_M = 1.7
BODY = Body({name: ratio * STATURE_M for name, ratio in RATIOS.items()}, "right")


def posed(heading_deg: float = 0.0, **angles: float) -> dict[str, NDArray[np.float64]]:
    """One frame of the mean body, joint name -> (x, y, z)."""
    curves = {name: np.full(1, float(angles.get(name, 0.0))) for name in ANGLES}
    joints, _ = pose(BODY, curves, np.full(1, heading_deg))
    return dict(zip(LAYOUT.joints, joints[0], strict=True))


def test_a_person_facing_the_camera_has_the_left_hand_on_the_right_of_the_image() -> None:
    joints = posed()
    for pair in ("shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot"):
        assert joints[f"left_{pair}"][0] > joints["hip_centre"][0] > joints[f"right_{pair}"][0]
    assert joints["left_foot"][2] < joints["left_ankle"][2], "the toes point to the camera, towards smaller z"


def test_a_person_turned_to_the_right_of_the_image_has_the_left_side_away_from_the_camera() -> None:
    joints = posed(heading_deg=90)
    assert joints["left_shoulder"][2] > joints["right_shoulder"][2]
    assert joints["left_foot"][0] > joints["left_ankle"][0]


@pytest.mark.parametrize(
    ("angles", "towards"),
    [
        ({"left_shoulder_flex": 90}, (0, 0, -1)),
        ({"left_shoulder_abduct": 90}, (1, 0, 0)),
        ({"left_shoulder_flex": 180}, (0, 1, 0)),
        ({"left_shoulder_abduct": 180}, (0, 1, 0)),
    ],
)
def test_a_straight_arm_points_where_the_anatomy_says(angles: dict[str, float], towards: tuple[int, int, int]) -> None:
    joints = posed(**angles)
    arm = joints["left_hand"] - joints["left_shoulder"]
    assert np.allclose(arm / np.linalg.norm(arm), towards, atol=1e-9)


def test_the_elbow_bends_forward_the_knee_backward_and_outward_twist_lifts_a_wave() -> None:
    joints = posed(right_elbow=90, right_knee=90)
    assert joints["right_wrist"][2] < joints["right_elbow"][2] - 0.2
    assert joints["right_ankle"][2] > joints["right_knee"][2] + 0.2
    wave = posed(right_shoulder_abduct=90, right_shoulder_twist=90, right_elbow=90)
    assert wave["right_wrist"][1] - wave["right_elbow"][1] == pytest.approx(BODY.lengths["forearm"])
    assert wave["right_elbow"][0] < wave["right_shoulder"][0]


def test_mirrored_angles_give_the_mirrored_body() -> None:
    rng = np.random.default_rng(0)
    angles = {name: float(rng.uniform(-60, 60)) for name in ANGLES}
    swapped = dict(angles)
    for name in ANGLES:
        side, _, rest = name.partition("_")
        if side in SIDES:
            swapped[f"{'right' if side == 'left' else 'left'}_{rest}"] = angles[name]
    swapped |= {name: -angles[name] for name in ("bend", "turn", "tilt")}
    one, other = posed(30, **angles), posed(-30, **swapped)
    joints = list(one)
    mirrored = [joints[i] for i in LAYOUT.mirror]
    assert np.allclose([one[j] for j in joints], np.array([other[j] for j in mirrored]) * (-1, 1, 1))


def test_a_standing_body_is_as_tall_as_its_ratios_say() -> None:
    joints, heels = pose(BODY, {name: np.zeros(1) for name in ANGLES}, np.zeros(1))
    x = dict(zip(LAYOUT.joints, on_floor(joints, heels, np.zeros(1), FPS)[0], strict=True))
    # Winter: knee 0.285, hip 0.530 and shoulder 0.818 of stature above the floor.
    for joint, share in (("left_foot", 0), ("left_knee", 0.285), ("left_hip", 0.530), ("left_shoulder", 0.818)):
        assert x[joint][1] == pytest.approx(share * STATURE_M, abs=0.002 * STATURE_M), joint


def test_a_supporting_foot_does_not_slide() -> None:
    frames = 40
    angles = {name: np.zeros(frames) for name in ANGLES}
    angles["left_hip_flex"] = np.linspace(20, -20, frames)
    angles["right_hip_flex"] = np.full(frames, 40.0)
    angles["right_knee"] = np.full(frames, 80.0)
    x = on_floor(*pose(BODY, angles, np.full(frames, 90.0)), np.zeros(frames), FPS)
    foot, hips = x[:, LAYOUT.joints.index("left_foot")], x[:, LAYOUT.joints.index("hip_centre")]
    # Smoothing of the path lets a foot slide by a centimetre or two where a step begins.
    assert np.ptp(foot[:, 0]) < 0.03
    assert hips[-1, 0] - hips[0, 0] == pytest.approx(2 * np.sin(np.radians(20)) * 0.491 * STATURE_M, abs=0.03)


@pytest.mark.parametrize(
    ("posture", "wrist"),
    [
        ("folded", "in front of the other half of the chest"),
        ("on the hips", "beside the hip"),
        ("behind the back", "behind the hips"),
    ],
)
def test_both_arms_rest_where_their_posture_says(posture: str, wrist: str) -> None:
    drawn = {name: sum(limits) / 2 for name, limits in BOTH_ARMS[posture].items()}
    joints = posed(**{f"{side}_{name}": value for side in SIDES for name, value in drawn.items()})
    x, y, z = joints["left_wrist"]
    hip, shoulder = joints["left_hip"], joints["left_shoulder"]
    if wrist == "behind the hips":
        assert z > hip[2] + 0.05 and y < joints["spine"][1] and abs(x) < hip[0]
    elif wrist == "beside the hip":
        assert x > hip[0] and abs(y - hip[1]) < 0.15 and abs(z - hip[2]) < 0.15
    else:
        assert x < shoulder[0] - 0.15 and z < shoulder[2] - 0.1 and hip[1] < y < shoulder[1]


@pytest.mark.parametrize("posture", ONE_ARM)
def test_one_arm_rests_where_its_posture_says(posture: str) -> None:
    drawn = {name: sum(limits) / 2 for name, limits in ONE_ARM[posture].items()}
    joints = posed(**{f"left_{name}": value for name, value in drawn.items()})
    wrist, hip, head, spine = (joints[name] for name in ("left_wrist", "left_hip", "head", "spine"))
    if posture == "at the face":
        assert np.linalg.norm(wrist - head) < 0.3
    elif posture == "carrying":
        assert wrist[2] < hip[2] - 0.15 and hip[1] < wrist[1] < spine[1] + 0.2
    else:
        assert (np.abs(wrist - hip) < (0.25, 0.12, 0.15)).all()


def test_arms_rest_in_every_posture_and_both_in_the_same_one_in_the_stated_share() -> None:
    seen, elbows = Counter[tuple[str, ...]](), set()
    for seed in range(800):
        drawn = resting_arms(np.random.default_rng(seed))
        fits = [
            [name for name, posture in (ONE_ARM | BOTH_ARMS).items()
             if all(low <= drawn.get(f"{side}_{angle}", 0) <= high for angle, (low, high) in posture.items())]
            for side in SIDES
        ]  # fmt: skip
        seen[tuple(name for (name,) in fits)] += 1
        elbows |= {drawn["left_elbow"], drawn["right_elbow"]}
    together = {pair for pair in seen if set(pair) & set(BOTH_ARMS)}
    assert together == {(name, name) for name in BOTH_ARMS}
    assert seen.keys() - together == {(left, right) for left in ONE_ARM for right in ONE_ARM}
    assert len(elbows) == 2 * 800
    low, high = binom.interval(0.9999, 800, TOGETHER)
    assert low <= sum(seen[pair] for pair in together) <= high
