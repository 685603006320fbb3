"""The best frame has the labels of the clip centred on it, which are decided later."""

import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest
import videos
from people import PENN, action, person, result

from edge.contract.types import UNKNOWN
from edge.drawing.overlay import Overlay
from edge.sinks.config import SinkConfig
from edge.sinks.picture import BestFrame, picture_sink

HALF_S = 1.0
FPS = 5.0
"""Half a clip is five frames."""


class Plain:
    """An overlay that draws nothing."""

    def render(self, given):
        return given.frame.image


def does(track_id, score, label="jumping_jacks"):
    return person(track_id, does=action(score, label))


# The label lasts from 2.0 to 3.6 s. Its highest score, at 2.8 s, is that of the clip centred on 1.8 s.
BEFORE = (person(1, does=action(0.5, UNKNOWN), fill=0.6),)
SURE = [0.7, 0.7, 0.8, 0.8, 0.9, 0.8, 0.8, 0.7]
LASTING = [BEFORE] * 10 + [(does(1, score),) for score in SURE] + [(does(1, 0.95, UNKNOWN),)] * 10


def best(frames, fps=FPS):
    """The best of these frames, each a tuple of people."""
    found = BestFrame(HALF_S)
    for n, people in enumerate(frames):
        found.add(result(*people, n=n, fps=fps))
    return found.best()


def labels_of(given):
    return {p.track_id: (p.action.label, p.action.score) for p in given.people if p.action}


def test_a_frame_has_the_labels_of_the_clip_centred_on_it():
    # Jumps until 2.0 s and walks then: a clip of 2 s that ends at 3.0 s is the first to show more walking.
    frames = [(does(1, 0.9, "jump"),)] * 15 + [(does(1, 0.9, "walk"),)] * 16
    for n, label in ((9, "jump"), (10, "walk")):
        found = BestFrame(HALF_S)
        for at, people in enumerate(frames[n:], n):
            found.add(result(*people, n=at, fps=FPS))
            if at == n + 5:
                assert labels_of(found.best()) == {1: (label, 0.9)} and found.best().frame.index == n
                break


def test_the_frame_of_the_surest_label_wins():
    assert best(LASTING).frame.index == 9


def test_of_several_labels_the_least_certain_counts():
    scores = [(0.9, 0.5)] * 8 + [(0.7, 0.6)] + [(0.95, 0.55)] * 9
    assert best([(does(1, one), does(2, other)) for one, other in scores]).frame.index == 3


def test_two_labels_beat_one_that_is_surer():
    first = [does(1, 0.9, "jump")] * 18 + [does(1, 0.4, UNKNOWN)] * 20
    second = [person(2)] * 15 + [does(2, 0.6, "walk")] * 23
    given = best(list(zip(first, second, strict=True)))
    assert labels_of(given) == {1: ("jump", 0.9), 2: ("walk", 0.6)} and given.frame.index in (10, 11, 12)


def test_of_equally_sure_labels_the_frame_with_more_people_wins():
    frames = [(does(1, 0.9),)] * 3 + [(does(1, 0.9), person(2))] + [(does(1, 0.9),)] * 9
    assert best(frames).frame.index == 3


def test_unknown_does_not_count_as_a_label():
    assert best([(does(1, 0.5, UNKNOWN), does(2, 0.5, UNKNOWN))] * 12 + [(does(1, 0.45),)] * 6).frame.index >= 7


def test_a_person_who_leaves_before_the_decision_has_no_label():
    given = best([(does(1, 0.9), does(2, 0.9))] * 4 + [(does(1, 0.9),)] * 12)
    assert labels_of(given) == {1: ("jumping_jacks", 0.9)}


def test_a_failed_frame_is_no_candidate_and_decides_nothing():
    found = BestFrame(HALF_S)
    scores = {9: 0.8, 13: 0.9}  # at 8, which would decide about 3, the stage fails; 13 decides about 8
    for n in range(21):
        given = result(does(1, scores[n]) if n in scores else person(1), n=n, fps=FPS)
        found.add(replace(given, people=(), failure="pose: gone") if n == 8 else given)
    assert found.best().frame.index == 3 and labels_of(found.best()) == {1: ("jumping_jacks", 0.8)}


def test_clips_shorter_than_the_time_between_candidates():
    found = BestFrame(0.08)
    for n in range(20):
        found.add(result(does(1, 0.9 if n == 11 else 0.8), n=n, fps=25.0))
    assert labels_of(found.best()) == {1: ("jumping_jacks", 0.9)}


def test_a_recording_too_short_for_labels_shows_most_people():
    assert best([(person(1),), (person(1), person(2)), ()], fps=4.0).frame.index == 1
    assert best([(person(1, score=0.5),), (person(1),)], fps=4.0).frame.index == 1
    assert best([()] * 3).frame.index == 0 and BestFrame(HALF_S).best() is None


def test_without_labels_a_later_frame_with_a_person_beats_an_empty_one():
    # Half a clip before the end the scene is still empty.
    assert best([()] * 5 + [(person(1),)] * 4).people
    assert len(best([(person(1),)] * 3 + [(person(1), person(2))] + [(person(1),)] * 20).people) == 2


def test_few_images_are_held():
    alive, found = [], BestFrame(HALF_S)
    for n in range(300):
        image = np.zeros((4, 4, 3), np.uint8)
        alive.append(weakref.ref(image))
        # The worst case: scores rise, so that each frame may become the best.
        found.add(result(does(1, 0.5 + n / 1000), n=n, fps=25.0, image=image))
        del image
        assert sum(reference() is not None for reference in alive) <= 12


def test_failed_frames_do_not_pile_up():
    found = BestFrame(HALF_S)
    for n in range(100):
        found.add(replace(result(n=n, fps=FPS), failure="pose: gone"))
    assert len(found._waiting) == 1 and found.best() is not None


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".jpg", b"\xff\xd8"), (".JPEG", b"\xff\xd8")])
def test_the_format_follows_the_suffix(tmp_path, suffix, begins):
    path = tmp_path / f"best{suffix}"
    assert SinkConfig(picture=path).files == {"picture": path}
    with picture_sink(path, Plain(), 2 * HALF_S) as sink:
        sink(result(n=4, image=videos.image(4)))
    assert videos.number(cv2.imread(str(path))) == 4 and path.read_bytes().startswith(begins)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_picture_has_the_later_labels_although_the_page_showed_the_frame_without_them(tmp_path):
    overlay, path = Overlay(PENN), tmp_path / "best.png"
    with picture_sink(path, overlay, 2 * HALF_S) as sink:
        for n, people in enumerate(LASTING):
            given = result(*people, n=n, fps=FPS, image=videos.image(n))
            if n == 9:
                overlay.draw(given)
            sink(given)
    wanted = Overlay(PENN).render(result(does(1, 0.9), n=9, fps=FPS, image=videos.image(9)))
    above = np.s_[:200]  # the line of text below tells the frame rate
    np.testing.assert_array_equal(cv2.imread(str(path))[above], wanted[above])
