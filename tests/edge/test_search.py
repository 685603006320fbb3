"""When and where new people are searched for: by the source's clock, at any frame rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.pose.search import Search

SIDES = (1280, 720, 540, 360)
"""Of the squares of a frame 1280 wide and 720 high: the whole frame, and 1, 3/4 and 1/2 of its height."""


def begun(every_s):
    search = Search(every_s)
    search.reset(720, 1280)
    return search


def turns(search, seconds, fps, every_frame=False):
    """The times at which there is a turn, and the side of the square that has it."""
    times = [n / fps for n in range(round(seconds * fps))]
    return [(t, search.next_square().side) for t in times if search.is_due(t, every_frame)]


@given(st.sampled_from([8, 10, 12.5, 15, 24, 25, 29.97, 30, 50, 60, 120]), st.floats(0.5, 2.0))
def test_every_size_gets_a_turn_per_interval_at_any_frame_rate(fps, every_s):
    found = turns(begun(every_s), 10 * every_s, fps)
    assert [side for _, side in found[:8]] == 2 * list(SIDES)
    # Forty turns in ten times every_s; the first is in the first frame.
    assert len(found) == pytest.approx(40, abs=1)


def test_every_frame_has_a_turn_on_request_without_a_clock_and_with_interval_0():
    assert len(turns(begun(0.5), 2, 30, every_frame=True)) == len(turns(begun(0), 2, 30)) == 60
    search = begun(0.5)
    assert all(search.is_due(None, False) for _ in range(10))


def test_a_camera_no_faster_than_the_turns_has_one_in_every_frame():
    assert len(turns(begun(0.5), 5, 5)) == 25
    assert len(turns(begun(0.4), 5, 10)) == 50  # 0.3 / 0.1 is below 3


def test_the_squares_of_each_size_cover_the_frame():
    search = begun(0)
    squares = [search.next_square() for _ in range(4 * 24)]
    for side in SIDES:
        of_side = {(s.x, s.y) for s in squares if s.side == side}
        for x, y in ((1, 1), (1279, 1), (640, 360), (1, 719), (1279, 719)):
            assert any(abs(x - cx) <= side / 2 and abs(y - cy) <= side / 2 for cx, cy in of_side)


@pytest.mark.parametrize(("height", "width"), [(7, 4000), (4000, 7), (1, 33)])
def test_a_strip_is_searched_as_a_whole_only(height, width):
    search = Search(0)
    assert [square.side for square in search.reset(height, width)] == [max(height, width)]
    assert search.next_square().side == max(height, width)
