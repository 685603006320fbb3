"""Which moment becomes the picture: one whose labels are right, which is known from what comes after it."""

import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest
import videos
from people import action, person, result

from edge.contract.types import UNKNOWN
from edge.sinks.picture import BestFrame, picture_sink

HALF_S = 1.0
FPS = 5.0
"""Of the moments below: half a clip is five of them."""


class Plain:
    """An overlay that draws nothing."""

    def render(self, given):
        return given.frame.image


def does(track_id, score, label="jumping_jacks"):
    return person(track_id, does=action(score, label))


def best(moments, fps=FPS):
    """The best moment of these people, one tuple of them each."""
    found = BestFrame(HALF_S)
    for n, people in enumerate(moments):
        found.add(result(*people, n=n, fps=fps))
    return found.best()


def said(given):
    return {p.track_id: (p.action.label, p.action.score) for p in given.people if p.action}


def test_a_moment_has_the_labels_of_the_clip_around_it():
    # Jumps until 2.0 s and walks then: a clip of 2 s that ends at 3.0 s is the first to show more walking.
    moments = [(does(1, 0.9, "jump"),)] * 15 + [(does(1, 0.9, "walk"),)] * 16
    for n, label in ((9, "jump"), (10, "walk")):
        found = BestFrame(HALF_S)
        for at, people in enumerate(moments[n:], n):
            found.add(result(*people, n=at, fps=FPS))
            if at == n + 5:
                assert said(found.best()) == {1: (label, 0.9)} and found.best().frame.index == n
                break


def test_the_moment_farthest_from_where_labels_change_is_taken():
    # The label stands from 2.0 to 3.6 s, so its middle is 2.8 s, and the clip that ends there has its own at 1.8 s.
    moments = [(does(1, 0.5, UNKNOWN),)] * 10 + [(does(1, 0.9),)] * 8 + [(does(1, 0.5, UNKNOWN),)] * 10
    assert best(moments).frame.index == 9


def test_of_moments_far_enough_from_any_change_the_surest_is_taken():
    scores = [0.8] * 10 + [0.7] * 5 + [0.95] + [0.7] * 9 + [0.99] * 2
    # 0.95 was decided at 3.0 s about what was done at 2.0 s. How long 0.99 would have stood nobody knows.
    assert best([(does(1, score),) for score in scores]).frame.index == 10


def test_two_with_labels_are_more_than_one_though_each_stands_for_long_alone():
    first = [does(1, 0.9, "jump")] * 18 + [does(1, 0.4, UNKNOWN)] * 20
    second = [person(2)] * 15 + [does(2, 0.9, "walk")] * 23
    given = best(list(zip(first, second, strict=True)))
    assert said(given) == {1: ("jump", 0.9), 2: ("walk", 0.9)} and given.frame.index in (10, 11, 12)


def test_unknown_is_no_label():
    assert best([(does(1, 0.5, UNKNOWN), does(2, 0.5, UNKNOWN))] * 12 + [(does(1, 0.45),)] * 6).frame.index >= 7


def test_who_has_left_when_it_is_decided_has_no_label():
    given = best([(does(1, 0.9), does(2, 0.9))] * 4 + [(does(1, 0.9),)] * 12)
    assert said(given) == {1: ("jumping_jacks", 0.9)}


def test_labels_of_others_who_come_and_go_change_nothing():
    mine = [does(1, 0.9)] * 31
    others = [does(n // 3 + 2, 0.9) if n % 3 else person(n // 3 + 2) for n in range(31)]
    given = best([(one, other) for one, other in zip(mine, others, strict=True)])
    assert 1 in said(given)


def test_a_frame_that_failed_is_no_change_and_no_answer():
    found = BestFrame(HALF_S)
    for n in range(21):
        given = result(does(1, 0.9) if 5 <= n < 15 else person(1), n=n, fps=FPS)
        found.add(replace(given, people=(), failure="pose: gone") if n == 8 else given)
    # The label stands from 1.0 to 3.0 s, in whose middle something is said about what was done at 1.0 s.
    assert found.best().frame.index == 5 and said(found.best())


def test_of_a_recording_too_short_for_labels_most_people_are_shown():
    assert best([(person(1),), (person(1), person(2)), ()], fps=4.0).frame.index == 1
    assert best([()] * 3).frame.index == 0 and BestFrame(HALF_S).best() is None


def test_without_any_label_a_later_moment_that_shows_somebody_is_better_than_an_early_one():
    # Half a clip before the end nobody was there yet.
    assert best([()] * 5 + [(person(1),)] * 4).people


def test_few_pictures_are_kept():
    alive, found = [], BestFrame(HALF_S)
    for n in range(300):
        image = np.zeros((4, 4, 3), np.uint8)
        alive.append(weakref.ref(image))
        # Surer and surer, which is the worst case: each moment may become the best.
        found.add(result(does(1, 0.5 + n / 1000), n=n, fps=25.0, image=image))
        del image
        assert sum(reference() is not None for reference in alive) <= 12


def test_pictures_without_an_answer_do_not_pile_up():
    found = BestFrame(HALF_S)
    for n in range(100):
        found.add(replace(result(n=n, fps=FPS), failure="pose: gone"))
    assert len(found._pending) == 1 and found.best() is not None


def test_it_forgets_who_has_left_long_ago():
    found = BestFrame(HALF_S)
    for n in range(500):
        found.add(result(does(n // 10, 0.9), n=n, fps=FPS))
    assert len(found._labels) < 10


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_it_is_written_at_the_end_as_its_name_says(tmp_path, suffix):
    path = tmp_path / f"best{suffix}"
    with picture_sink(path, Plain(), 2 * HALF_S) as sink:
        sink(result(n=4, image=videos.image(4)))
    assert videos.number(cv2.imread(str(path))) == 4 and [p.name for p in tmp_path.iterdir()] == [path.name]
