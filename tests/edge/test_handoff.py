"""Between two threads: nothing lost, nothing old, nobody left waiting."""

import threading
import time

import pytest

from edge.loop.handoff import Handoff, Newest, Stopped


def in_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def give(handoff, items):
    try:
        for item in items:
            handoff.put(item)
    except Stopped:
        return
    handoff.end()


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_everything_arrives_once_and_in_order(depth):
    handoff = Handoff(depth)
    giver = in_thread(give, handoff, range(500))
    assert list(handoff) == list(range(500))
    giver.join(2)
    assert not giver.is_alive()


@pytest.mark.parametrize(("depth", "ahead"), [(0, 1), (1, 2), (3, 4)])
def test_the_giver_is_never_further_ahead_than_the_depth(depth, ahead):
    handoff, given = Handoff(depth), []

    def giver():
        for n in range(20):
            given.append(n)
            handoff.put(n)
        handoff.end()

    in_thread(giver)
    for n in handoff:
        time.sleep(0.005)
        # Besides what waits, the giver may have begun one more.
        assert given[-1] - n <= ahead + (depth > 0)


@pytest.mark.parametrize("told_by", ["announce", "end", "a put", "no room"])
def test_what_is_put_quietly_is_taken_when_somebody_tells(told_by):
    handoff, taken, took = Handoff(1 if told_by == "no room" else 2), [], threading.Event()

    def taker():
        for item in handoff:
            taken.append(item)
            took.set()

    in_thread(taker)
    time.sleep(0.05)
    handoff.put(1, quietly=True)
    assert not took.wait(0.1), "the taker sleeps, and is left to"
    if told_by == "announce":
        handoff.announce()
    elif told_by == "end":
        handoff.end()
    else:
        handoff.put(2, quietly=told_by == "no room")
    assert took.wait(2) and taken[0] == 1


@pytest.mark.parametrize("depth", [1, 3])
def test_what_is_put_quietly_arrives_once_and_in_order_though_nobody_announces(depth):
    handoff = Handoff(depth)

    def giver():
        for n in range(500):
            handoff.put(n, quietly=n % 7 > 0)
        handoff.end()

    in_thread(giver)
    assert list(handoff) == list(range(500))


def test_the_newest_replaces_what_nobody_took_and_is_counted():
    newest = Newest()
    for n in range(5):
        newest.put(n)
    newest.end()
    assert list(newest) == [4] and newest.dropped == 4


@pytest.mark.parametrize(("depth", "free"), [(1, "stop"), (1, "end"), (0, "stop")])
def test_a_giver_that_waits_is_freed_by_stop_and_by_end(depth, free):
    handoff, said = Handoff(depth), []
    for n in range(depth):
        handoff.put(n)
    assert handoff.is_any_waiting == (depth > 0)

    def giver():
        try:
            handoff.put(2)
        except Stopped:
            said.append("stopped")

    thread = in_thread(giver)
    time.sleep(0.02)
    getattr(handoff, free)()
    thread.join(2)
    assert said == ["stopped"] and not thread.is_alive()


@pytest.mark.parametrize("make", [lambda: Handoff(2), Newest], ids=["all", "newest"])
def test_a_taker_that_waits_is_freed_and_what_waits_is_taken_after_the_end_only(make):
    for free, left in (("stop", []), ("end", [1])):
        handoff = make()
        handoff.put(1)
        getattr(handoff, free)()
        assert list(handoff) == left
        with pytest.raises(Stopped):
            handoff.put(2)


def test_waiting_costs_no_processor_time():
    handoff = Handoff()
    taker = in_thread(list, handoff)
    # Of this thread alone: others of the process may be at work.
    clock = time.pthread_getcpuclockid(taker.ident)
    before = time.clock_gettime(clock)
    time.sleep(0.3)
    assert time.clock_gettime(clock) - before < 0.05
    handoff.end()
    taker.join(2)
    assert not taker.is_alive()
