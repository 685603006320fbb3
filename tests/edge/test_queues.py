"""The queues between the stages: nothing lost, nothing stale, no thread left blocked."""

import threading
import time

import pytest

from edge.loop.queues import BoundedQueue, LatestQueue, QueueClosed


def in_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def produce(queue, items):
    try:
        for item in items:
            queue.put(item)
    except QueueClosed:
        return
    queue.close()


@pytest.mark.parametrize("capacity", [0, 1, 5])
def test_every_item_arrives_once_and_in_order(capacity):
    queue = BoundedQueue(capacity)
    producer = in_thread(produce, queue, range(500))
    assert list(queue) == list(range(500))
    producer.join(2)
    assert not producer.is_alive()


@pytest.mark.parametrize(("capacity", "ahead"), [(0, 1), (1, 2), (3, 4)])
def test_the_producer_is_never_further_ahead_than_the_capacity(capacity, ahead):
    queue, begun = BoundedQueue(capacity), []

    def producer():
        for n in range(20):
            begun.append(n)
            queue.put(n)
        queue.close()

    in_thread(producer)
    for n in queue:
        time.sleep(0.005)
        # Besides the waiting items, the producer may have begun one more.
        assert begun[-1] - n <= ahead + (capacity > 0)


@pytest.mark.parametrize("woken_by", ["notify", "close", "a put", "a full queue"])
def test_an_item_put_without_notify_is_taken_after_a_later_wake_up(woken_by):
    queue, taken, took = BoundedQueue(1 if woken_by == "a full queue" else 2), [], threading.Event()

    def consumer():
        for item in queue:
            taken.append(item)
            took.set()

    in_thread(consumer)
    end = time.monotonic() + 20
    while not queue._changed._waiters and time.monotonic() < end:  # until it sleeps
        time.sleep(0.01)
    queue.put(1, notify=False)
    assert not took.wait(0.1), "the consumer is left asleep"
    if woken_by == "notify":
        queue.notify()
    elif woken_by == "close":
        queue.close()
    else:
        queue.put(2, notify=woken_by != "a full queue")
    assert took.wait(2) and taken[0] == 1


@pytest.mark.parametrize("capacity", [1, 3])
def test_items_put_without_notify_arrive_once_and_in_order(capacity):
    queue = BoundedQueue(capacity)

    def producer():
        for n in range(500):
            queue.put(n, notify=n % 7 == 0)
        queue.close()

    in_thread(producer)
    assert list(queue) == list(range(500))


def test_the_latest_item_replaces_one_that_was_not_taken_and_the_drop_is_counted():
    latest = LatestQueue()
    for n in range(5):
        latest.put(n)
    latest.close()
    assert list(latest) == [4] and latest.dropped == 4


@pytest.mark.parametrize(("capacity", "free"), [(1, "abort"), (1, "close"), (0, "abort")])
def test_abort_and_close_free_a_blocked_producer(capacity, free):
    queue, caught = BoundedQueue(capacity), []
    for n in range(capacity):
        queue.put(n)
    assert queue.has_items == (capacity > 0)

    def producer():
        try:
            queue.put(2)
        except QueueClosed as error:
            caught.append(error)

    thread = in_thread(producer)
    time.sleep(0.02)
    getattr(queue, free)()
    thread.join(2)
    assert len(caught) == 1 and not thread.is_alive()


@pytest.mark.parametrize("make", [lambda: BoundedQueue(2), LatestQueue], ids=["bounded", "latest"])
def test_waiting_items_are_consumed_after_close_and_discarded_by_abort(make):
    for free, left in (("abort", []), ("close", [1])):
        queue = make()
        queue.put(1)
        getattr(queue, free)()
        assert list(queue) == left
        with pytest.raises(QueueClosed):
            queue.put(2)


def test_waiting_costs_no_processor_time():
    queue = BoundedQueue()
    consumer = in_thread(list, queue)
    # The clock of this thread alone: others of the process may be busy.
    clock = time.pthread_getcpuclockid(consumer.ident)
    before = time.clock_gettime(clock)
    time.sleep(0.3)
    assert time.clock_gettime(clock) - before < 0.05
    queue.close()
    consumer.join(2)
    assert not consumer.is_alive()
