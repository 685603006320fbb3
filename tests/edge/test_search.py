"""When newcomers are looked for: by the source's clock, whatever its rate, and where in a picture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.pose.search import Search

SIDES = (1280, 720, 540, 360)
"""Of the squares of a picture 1280 wide and 720 high: all of it, and 1, 3/4 and 1/2 of its height."""


def begun(every_s):
    search = Search(every_s)
    search.begin(720, 1280)
    return search


def turns(search, seconds, fps, hurry=False):
    """The times at which there is a turn, and the side of the square that has it."""
    times = [n / fps for n in range(round(seconds * fps))]
    return [(t, search.square().side) for t in times if search.is_turn(t, hurry)]


@given(st.sampled_from([8, 10, 12.5, 15, 24, 25, 29.97, 30, 50, 60, 120]), st.floats(0.5, 2.0))
def test_in_the_time_asked_for_every_size_has_its_turn_at_any_frame_rate(fps, every_s):
    found = turns(begun(every_s), 10 * every_s, fps)
    assert [side for _, side in found[:8]] == 2 * list(SIDES)
    # Forty turns in ten times every_s; the first is in the first picture.
    assert len(found) == pytest.approx(40, abs=1)


def test_in_a_hurry_without_a_clock_and_where_it_is_asked_for_every_picture_has_a_turn():
    assert len(turns(begun(0.5), 2, 30, hurry=True)) == len(turns(begun(0), 2, 30)) == 60
    search = begun(0.5)
    assert all(search.is_turn(None, False) for _ in range(10))


def test_a_camera_slower_than_the_turns_has_one_in_every_picture():
    assert len(turns(begun(0.5), 5, 5)) == 25


def test_the_squares_of_one_size_cover_the_picture_by_turns():
    search = begun(0)
    squares = [search.square() for _ in range(4 * 24)]
    for side in SIDES:
        of_side = {(s.x, s.y) for s in squares if s.side == side}
        for x, y in ((1, 1), (1279, 1), (640, 360), (1, 719), (1279, 719)):
            assert any(abs(x - cx) <= side / 2 and abs(y - cy) <= side / 2 for cx, cy in of_side)
