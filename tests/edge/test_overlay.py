"""The overlay is drawn on a copy, inside the image, at the person, and is legible."""

from dataclasses import replace

import numpy as np
import pytest
from people import PENN, action, person, result

from edge.contract.layouts import LAYOUTS
from edge.contract.types import Person, Pose
from edge.drawing.label_placement import HEAD_HEIGHT, place, rectangle
from edge.drawing.overlay import LEFT, RIGHT, Overlay
from edge.loop.joint_dropout import JointDropout


def drawn(*people, image=None, layout=PENN):
    """The annotated image, and a mask (H, W) of the pixels drawn on."""
    given = result(*people, image=image)
    annotated = Overlay(layout).render(given)
    return annotated, (annotated != given.frame.image).any(axis=2)


def near(annotated, colour, tolerance=60):
    return (np.abs(annotated.astype(int) - colour).max(axis=2) < tolerance).sum()


def test_the_source_image_is_unchanged_and_the_copy_has_its_shape():
    given = result(person(does=action(0.9)))
    before = given.frame.image.copy()
    annotated = Overlay(PENN).render(given)
    np.testing.assert_array_equal(given.frame.image, before)
    assert annotated.shape == before.shape and annotated.dtype == np.uint8 and not np.shares_memory(annotated, before)


def test_bones_are_drawn_through_the_joints_and_sides_have_their_colours():
    annotated, changed = drawn(person())
    for x, y in person().pose.keypoints[:, :2].astype(int):
        assert changed[y - 2 : y + 3, x - 2 : x + 3].any()
    assert near(annotated[60:270, 110:230], LEFT) > 30 and near(annotated[60:270, 110:230], RIGHT) > 30


def test_an_undetected_joint_and_its_bones_are_not_drawn():
    someone = person()
    someone.pose.keypoints[12] = (400, 340, 0)  # the right ankle, with coordinates that mean nothing
    _, changed = drawn(someone)
    assert not changed[300:, 300:].any()
    assert not changed[225:262, 185:200].any()


def test_the_label_stands_above_the_head_and_grows_with_an_action():
    _, waiting = drawn(person(y=120, fill=0.4))
    _, decided = drawn(person(y=120, does=action(0.9)))
    assert decided[50:112].sum() > waiting[50:112].sum() > 500


def test_the_bar_shows_the_score_and_the_ring_the_fill():
    picture_low, _ = drawn(person(y=120, does=action(0.4)))
    picture_high, _ = drawn(person(y=120, does=action(0.99)))
    accent = (150, 214, 64)
    assert near(picture_high[:115], accent, 40) > near(picture_low[:115], accent, 40) + 50
    empty, _ = drawn(person(y=120, fill=0.0))
    full, _ = drawn(person(y=120, fill=1.0))
    assert near(full[:115], accent, 40) > near(empty[:115], accent, 40) + 15


@pytest.mark.parametrize("apart", [0, 9, 60, 110])
def test_labels_cover_neither_each_other_nor_heads(apart):
    people = [person(n, x=400 + apart * n, y=250 + 12 * (n % 2)) for n in range(3)]
    boxes = [(400 + apart * n, 250 + 12 * (n % 2), 500 + apart * n, 450 + 12 * (n % 2)) for n in range(3)]
    taken = []
    for box in boxes:
        taken.append(
            (*place((190, 40), box, (1280, 720), 5, [rectangle(box, HEAD_HEIGHT) for box in boxes], taken), 190, 40)
        )
    # The heads are points at the top of the bodies, in the middle of their 100 pixels.
    heads = [tuple(p.pose.keypoints[0, :2]) for p in people]
    for i, (x, y, width, height) in enumerate(taken):
        assert not any(x <= hx <= x + width and y <= hy <= y + height for hx, hy in heads)
        for other_x, other_y, other_width, other_height in taken[:i]:
            shared = (min(x + width, other_x + other_width) - max(x, other_x)) * (
                min(y + height, other_y + other_height) - max(y, other_y)
            )
            assert x + width <= other_x or other_x + other_width <= x or shared <= 0


@pytest.mark.parametrize(("x", "y"), [(-90, -150), (470, 350), (-95, 300), (430, -190), (5000, 5000), (-4000, 20)])
def test_people_at_or_beyond_the_border_are_clipped(x, y):
    annotated, changed = drawn(person(x=x, y=y, does=action(0.8)))
    assert annotated.shape == (360, 480, 3) and changed.any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 40), (6, 300), (40, 2), (24, 32), (3000, 40)])
def test_images_too_small_for_a_label_are_accepted(shape):
    image = np.full((*shape, 3), 128, np.uint8)
    annotated, _ = drawn(person(scale=shape[0] / 400, x=0, y=0, does=action(0.8)), image=image)
    assert annotated.shape == image.shape


def test_text_scales_with_the_image():
    heights = []
    for width in (480, 1920):
        image = np.full((width * 9 // 16, width, 3), 128, np.uint8)
        _, changed = drawn(image=image)
        heights.append(np.flatnonzero(changed.any(axis=1)).size)
    assert heights[1] > 2 * heights[0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_can_be_drawn(name):
    layout = LAYOUTS[name]
    keypoints = np.ones((len(layout), 3), np.float32)
    keypoints[:, :2] = np.random.default_rng(0).uniform(20, 340, (len(layout), 2))
    assert drawn(Person(7, Pose(keypoints, 0.9)), layout=layout)[1].any()


def test_an_image_is_drawn_once_for_all_sinks():
    overlay, first, second = Overlay(PENN), result(person()), result(person())
    assert overlay.render(first) is overlay.render(first)
    assert overlay.render(second) is not overlay.render(first)


def test_a_pause_between_drawn_frames_does_not_count_as_a_slow_frame(monkeypatch):
    """The live page draws only while a browser is connected."""
    written, now_s = [], 0.0
    monkeypatch.setattr("edge.drawing.overlay.write", lambda image, text, *rest: written.append(text))
    monkeypatch.setattr("edge.drawing.overlay.time.perf_counter", lambda: now_s)
    overlay = Overlay(PENN)
    for between_s in (*[0.1] * 10, 60.0, *[0.1] * 3):
        now_s += between_s
        overlay.render(result())
    assert written[9].startswith("10.0 fps") and written[-1].startswith("10.0 fps")


def corner(dropout, *people, size=(480, 640)):
    """The lower right quarter of the image, and whether anything is drawn there."""
    image = np.full((*size, 3), 128, np.uint8)
    given = replace(result(*people, image=image), joint_dropout=np.array(dropout, np.float32))
    annotated = Overlay(PENN).render(given)[size[0] // 2 :, size[1] // 2 :]
    return annotated, bool((annotated != 128).any())


def test_a_small_image_has_no_panel_of_missing_joints():
    assert corner(np.full(13, 0.5), person(x=20, y=40))[1]
    assert not corner(np.full(13, 0.5), person(x=20, y=20, scale=0.6), size=(288, 384))[1]


def test_the_panel_avoids_people_and_labels():
    missed, corners = np.full(13, 0.5, np.float32), {}
    for name, x, y in (("nobody", 250, 150), ("lower right", 560, 300), ("right", 540, 60)):
        people = [person(x=x, y=y, scale=0.8)] + ([person(2, x=560, y=320, scale=0.8)] if name == "right" else [])
        given = replace(result(*people, image=np.full((480, 640, 3), 128, np.uint8)), joint_dropout=missed)
        bare = Overlay(PENN).render(replace(given, joint_dropout=None))
        rows, columns = np.nonzero((Overlay(PENN).render(given) != bare).any(axis=2))
        corners[name] = (columns.mean() > 320, rows.mean() > 240)
    assert corners == {"nobody": (True, True), "lower right": (True, False), "right": (False, False)}


@pytest.mark.parametrize("size", [(240, 320), (288, 384), (480, 640), (994, 1768)])
def test_no_text_is_too_small_to_read(monkeypatch, size):
    sizes = []
    for module in ("edge.drawing.overlay", "edge.drawing.joint_panel"):
        monkeypatch.setattr(f"{module}.write", lambda image, text, x, y, height, colour: sizes.append(height))
    image = np.full((*size, 3), 128, np.uint8)
    given = result(person(does=action(0.9)), image=image)
    Overlay(PENN).render(replace(given, joint_dropout=np.full(13, 0.5, np.float32)))
    # Below 8 pixels OpenCV's letters run into each other.
    assert len(sizes) >= 4 and min(sizes) >= 8


def test_every_missing_joint_has_a_row_with_a_bar_while_a_person_is_in_view():
    none, one, three = np.zeros(13), np.zeros(13), np.zeros(13)
    one[5], three[[2, 5, 9]] = 0.5, (0.2, 0.5, 0.9)
    assert not corner(none, person())[1] and not corner(one / 20, person())[1]
    assert not corner(one)[1]  # nobody in view
    (few, is_drawn), (more, _) = corner(one, person()), corner(three, person())
    assert is_drawn and (more != 128).sum() > 1.5 * (few != 128).sum()
    # The bars are as long as the parts: 0.5 of a bar against 0.2, 0.5 and 0.9 of one.
    assert near(more, LEFT, 30) / near(few, LEFT, 30) == pytest.approx(1.6 / 0.5, rel=0.25)


def test_many_missing_joints_on_a_small_image_are_no_error():
    small = np.full((90, 160, 3), 128, np.uint8)
    layout = LAYOUTS["blazepose-33"]
    keypoints = np.ones((33, 3), np.float32) * 40
    given = result(Person(1, Pose(keypoints, 0.9)), image=small)
    assert Overlay(layout).render(replace(given, joint_dropout=np.full(33, 0.5, np.float32))).shape == small.shape


def test_people_who_are_not_followed_are_grey_and_labelled_so():
    followed, _ = drawn(person(y=120, does=action(0.9)))
    other, changed = drawn(replace(person(y=120), followed=False))
    skeleton = slice(125, 330), slice(110, 230)
    assert near(followed[skeleton], LEFT) > 30 and near(other[skeleton], LEFT) == near(other[skeleton], RIGHT) == 0
    assert changed[skeleton].any() and changed[50:112].any()


def test_the_dropout_of_a_joint_is_the_fraction_of_time_it_was_missing():
    tally, half = JointDropout(13, range(13)), person().pose
    half.keypoints[3, 2] = 0
    whole = person().pose
    assert JointDropout(13, range(13)).update([half, whole, half, half], 0.0)[3] == 0.75, "of the first frame"
    for n in range(600):
        parts = tally.update([whole if n % 2 else half], n / 30)
    assert parts[3] == pytest.approx(0.5, abs=0.02) and parts[4] == 0
    # Nobody in view changes nothing.
    np.testing.assert_array_equal(tally.update([], 100.0), parts)
