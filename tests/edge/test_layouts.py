"""Joint layouts against the published lists, and the mapping between them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.errors import LayoutError
from edge.contract.layouts import LAYOUTS, convert, layout

ESTIMATORS = ("coco-17", "trt_pose-18", "blazepose-33")

# Keypoints of COCO in the order of its annotation files.
COCO_17 = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
)
# The figure of MediaPipe's pose landmark model, 0 to 32; "foot index" is this package's foot.
BLAZEPOSE_33 = {
    0: "nose",
    (1, 4): "eye_inner",
    (2, 5): "eye",
    (3, 6): "eye_outer",
    (7, 8): "ear",
    (9, 10): "mouth",
    (11, 12): "shoulder",
    (13, 14): "elbow",
    (15, 16): "wrist",
    (17, 18): "pinky",
    (19, 20): "index",
    (21, 22): "thumb",
    (23, 24): "hip",
    (25, 26): "knee",
    (27, 28): "ankle",
    (29, 30): "heel",
    (31, 32): "foot",
}
# "NTU RGB+D", Shahroudy et al., CVPR 2016, figure 1, counted from 1 as there.
NTU_25 = {
    1: "hip_centre",  # base of the spine
    2: "spine",  # middle of the spine
    3: "neck",
    4: "head",
    5: "left_shoulder",
    6: "left_elbow",
    7: "left_wrist",
    8: "left_hand",
    9: "right_shoulder",
    10: "right_elbow",
    11: "right_wrist",
    12: "right_hand",
    13: "left_hip",
    14: "left_knee",
    15: "left_ankle",
    16: "left_foot",
    17: "right_hip",
    18: "right_knee",
    19: "right_ankle",
    20: "right_foot",
    21: "shoulder_centre",  # spine at the shoulders
    22: "left_hand_tip",
    23: "left_thumb",
    24: "right_hand_tip",
    25: "right_thumb",
}


# The output of OpenPose's COCO model, 0 to 17, as its documentation draws it.
OPENPOSE_18 = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee "
    "right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear"
)
# Vicon's names of the Plug-in-Gait full body markers, in the order of its exports, and where the guide puts them.
PLUG_IN_GAIT = {
    "LFHD": "left_temple", "RFHD": "right_temple", "LBHD": "left_back_head", "RBHD": "right_back_head",
    "C7": "c7", "T10": "t10", "CLAV": "clavicle", "STRN": "sternum", "RBAK": "scapula",
    "LSHO": "left_acromion", "LUPA": "left_upper_arm", "LELB": "left_epicondyle", "LFRM": "left_forearm",
    "LWRA": "left_wrist_thumb", "LWRB": "left_wrist_little", "LFIN": "left_knuckle",
    "RSHO": "right_acromion", "RUPA": "right_upper_arm", "RELB": "right_epicondyle", "RFRM": "right_forearm",
    "RWRA": "right_wrist_thumb", "RWRB": "right_wrist_little", "RFIN": "right_knuckle",
    "LASI": "left_asis", "RASI": "right_asis", "LPSI": "left_psis", "RPSI": "right_psis",
    "LTHI": "left_thigh", "LKNE": "left_knee_side", "LTIB": "left_shin",
    "LANK": "left_malleolus", "LHEE": "left_heel", "LTOE": "left_toe",
    "RTHI": "right_thigh", "RKNE": "right_knee_side", "RTIB": "right_shin",
    "RANK": "right_malleolus", "RHEE": "right_heel", "RTOE": "right_toe",
}  # fmt: skip


def test_openpose_is_in_the_order_of_its_documentation():
    assert layout("openpose-18").joints == tuple(OPENPOSE_18.split())


def test_vicon_is_plug_in_gait_in_its_usual_order():
    assert layout("vicon-39").joints == tuple(PLUG_IN_GAIT.values())


def test_the_hip_of_a_standing_person_lies_below_the_pelvis_where_bells_regression_puts_it():
    """ASIS 26 cm apart, 88 cm up: the joint 30 % of 26 cm below them and 36 % beside the middle."""
    body = np.zeros((39, 3), np.float32)
    markers = {"asis": (13, 88), "psis": (5, 91), "knee_side": (17, 45)}
    for side, sign in (("left", 1), ("right", -1)):
        for marker, (x, y) in markers.items():
            body[layout("vicon-39").index(f"{side}_{marker}")] = (sign * x, y, 1)
    out = convert(body, layout("vicon-39"), layout("kinect-20"))
    left, right, centre = layout("kinect-20").index("left_hip", "right_hip", "hip_centre")
    assert out[left, :2] == pytest.approx([0.36 * 26, 88 - 0.30 * 26], abs=1.5)
    assert out[right, 0] == pytest.approx(-out[left, 0]) and out[centre, :2] == pytest.approx([0, out[left, 1]])


def test_coco_is_in_the_order_of_its_annotations():
    assert layout("coco-17").joints == tuple(COCO_17.split())


def test_trt_pose_is_coco_with_a_neck_at_the_end():
    assert layout("trt_pose-18").joints == (*COCO_17.split(), "neck")


def test_blazepose_is_in_the_order_of_its_figure():
    joints = layout("blazepose-33").joints
    assert len(joints) == 33
    for where, name in BLAZEPOSE_33.items():
        if isinstance(where, int):
            assert joints[where] == name
        else:
            assert (joints[where[0]], joints[where[1]]) == (f"left_{name}", f"right_{name}")


def test_ntu_is_in_the_order_of_its_paper():
    assert layout("ntu-25").joints == tuple(NTU_25[n] for n in range(1, 26))


def test_coco_agrees_with_people_annotated_in_pictures(shared_data):
    """In upright people left and right, above and below are as the names say."""
    files = sorted((shared_data / "media" / "mmpose_coco").glob("*.json"))
    annotations = json.loads(files[0].read_text())
    category = next(c for c in annotations["categories"] if c["name"] == "person")
    assert tuple(category["keypoints"]) == layout("coco-17").joints
    nose, hip, ankle = layout("coco-17").index("nose", "left_hip", "left_ankle")
    upright = 0
    for annotation in annotations["annotations"]:
        x = np.array(annotation["keypoints"], float).reshape(-1, 3)
        if (x[[nose, hip, ankle], 2] > 0).all():
            upright += x[nose, 1] < x[hip, 1] < x[ankle, 1]
    assert upright > 0


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_one_connected_body_with_a_right_joint_for_every_left_one(name):
    joints = layout(name)
    assert len(set(joints.joints)) == len(joints)
    assert len({frozenset(edge) for edge in joints.edges}) == len(joints.edges)
    if name != "blazepose-33":  # MediaPipe draws the face and the mouth apart from the body
        reached = {0}
        for _ in joints.joints:
            reached |= {b for edge in joints.edges for a, b in (edge, edge[::-1]) if a in reached}
        assert reached == set(range(len(joints)))
    sides = [sum(joint.startswith(side) for joint in joints.joints) for side in ("left_", "right_")]
    assert sides[0] == sides[1] == len(joints.pairs)


@pytest.mark.parametrize("name", LAYOUTS)
def test_mirroring_twice_changes_nothing_and_bones_stay_bones(name):
    joints = layout(name)
    mirror = joints.mirror
    assert [mirror[i] for i in mirror] == list(range(len(joints)))
    bones = {frozenset(edge) for edge in joints.edges}
    assert {frozenset(mirror[i] for i in bone) for bone in bones} == bones
    for left, right in joints.pairs:
        assert joints.joints[left].replace("left_", "right_") == joints.joints[right]


@pytest.mark.parametrize("source", LAYOUTS)
def test_every_layout_gives_all_joints_that_recognisers_read(source):
    body = np.ones((len(layout(source)), 3), np.float32)
    assert (convert(body, layout(source), layout("penn-13"))[:, 2] == 1).all()


@pytest.mark.parametrize("target", ["coco-17", "trt_pose-18"])
@pytest.mark.parametrize("source", ESTIMATORS)
def test_every_estimator_gives_all_joints_of_coco(source, target):
    body = np.ones((len(layout(source)), 3), np.float32)
    assert (convert(body, layout(source), layout(target))[:, 2] == 1).all()


@given(
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(sorted(LAYOUTS)),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
)
def test_joints_of_the_same_name_are_taken_as_they_are_and_derived_ones_lie_among_their_parts(a, b, seed, seen):
    source, target = layout(a), layout(b)
    rng = np.random.default_rng(seed)
    body = rng.uniform(1, 100, (4, len(source), 3)).astype(np.float32)
    body[rng.random(body.shape[:2]) >= seen] = 0
    out = convert(body, source, target)
    assert out.shape == (4, len(target), 3) and np.isfinite(out).all()
    for v, joint in enumerate(target.joints):
        if joint in source.joints:
            assert np.array_equal(out[:, v], body[:, source.joints.index(joint)])
        else:
            assert ((out[:, v] == 0) | ((out[:, v] > 0) & (out[:, v] <= body.max(axis=1) * (1 + 1e-6)))).all()


@given(st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(LAYOUTS)), st.integers(0, 2**32 - 1))
def test_mirroring_before_or_after_converting_is_the_same(a, b, seed):
    source, target = layout(a), layout(b)
    body = np.random.default_rng(seed).uniform(1, 100, (len(source), 3)).astype(np.float32)
    before = convert(body[list(source.mirror)], source, target)
    after = convert(body, source, target)[list(target.mirror)]
    assert np.allclose(before, after, rtol=1e-6)


def coco_body(**seen):
    body = np.zeros((17, 3), np.float32)
    for joint, point in seen.items():
        body[layout("coco-17").joints.index(joint)] = point
    return body


def test_the_head_is_the_mean_of_what_is_seen_of_nose_and_ears():
    penn = layout("penn-13")
    two = coco_body(nose=(10, 20, 1.0), left_ear=(30, 10, 0.5))
    assert convert(two, layout("coco-17"), penn)[0].tolist() == [20, 15, 0.75]
    assert convert(coco_body(left_eye=(1, 1, 1)), layout("coco-17"), penn)[0].tolist() == [0, 0, 0]


def test_the_neck_needs_both_shoulders():
    coco, trt = layout("coco-17"), layout("trt_pose-18")
    both = coco_body(left_shoulder=(30, 10, 0.8), right_shoulder=(10, 20, 0.4))
    assert convert(both, coco, trt)[17] == pytest.approx([20, 15, 0.6])
    assert convert(coco_body(left_shoulder=(30, 10, 0.8)), coco, trt)[17].tolist() == [0, 0, 0]


def test_underivable_joints_are_unseen():
    body = np.ones((17, 3), np.float32)
    out = convert(body, layout("coco-17"), layout("kinect-20"))
    assert {j for j, row in zip(layout("kinect-20").joints, out, strict=True) if row[2] == 0} == {
        "left_hand",
        "right_hand",
        "left_foot",
        "right_foot",
    }


def test_unknown_names_and_wrong_counts_are_layout_errors_that_say_what_there_is():
    with pytest.raises(LayoutError, match="unknown joint layout 'coco'; known layouts: penn-13"):
        layout("coco")
    with pytest.raises(LayoutError, match="no joint 'tail'"):
        layout("penn-13").index("head", "tail")
    with pytest.raises(LayoutError, match="17"):
        convert(np.zeros((13, 3), np.float32), layout("coco-17"), layout("penn-13"))
