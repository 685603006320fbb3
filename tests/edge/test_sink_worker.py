"""A sink's queue: what a slow sink receives, what is dropped, and how long its end is waited for."""

import threading

import numpy as np
import pytest
from scripted_stages import Kept, worker

from edge.contract.types import Event, Frame, FrameResult
from edge.sinks.sink import StopRequested
from edge.sinks.sink_worker import dropped_by_sink

BLACK = np.zeros((4, 4, 3), np.uint8)


def result(number, **more):
    return FrameResult(Frame(number, float(number), BLACK), (), {}, **more)


def finished(waiting):
    """Whether the sink ends by itself after what was queued before it was opened."""
    waiting.open()
    waiting.close(failed=False)
    return waiting.join()


@pytest.mark.parametrize("images", [True, False])
def test_only_a_sink_that_needs_images_holds_them(images):
    kept = Kept()
    waiting = worker(kept, images=images)
    waiting.put(0, result(0))
    assert finished(waiting) and [r.frame.image.size for r in kept.results] == [BLACK.size if images else 0]


def test_events_of_dropped_results_move_on_to_the_next_and_are_bounded(monkeypatch):
    monkeypatch.setattr("edge.sinks.sink_worker.MAX_EVENTS", 20)
    kept = Kept()
    waiting = worker(kept, images=True)
    for number in range(50):
        event = Event("person_entered", float(number), number)
        waiting.put(number, result(number, events=(event, event)))
    assert finished(waiting) and dropped_by_sink([waiting, worker(Kept(), "quick")]) == {"test": 49}
    # The latest ones are kept.
    (last,) = kept.results
    assert [event.track_id for event in last.events] == [n for n in range(40, 50) for _ in range(2)]


def test_a_full_queue_of_events_keeps_the_first_and_counts_the_rest(monkeypatch):
    monkeypatch.setattr("edge.sinks.sink_worker.MAX_EVENTS", 3)
    kept = Kept()
    waiting = worker(kept, kind="events")
    for number in range(5):
        waiting.put_event(Event("person_entered", float(number), number))
    assert finished(waiting) and [event.track_id for event in kept.results] == [0, 1, 2] and waiting.dropped == 2


@pytest.mark.parametrize(("lossless", "timeout", "frames"), [(False, "", 4), (True, "LOSSLESS_", 1)])
def test_a_sink_is_waited_for_as_long_as_it_progresses_and_a_lossless_one_longer(
    monkeypatch, lossless, timeout, frames
):
    monkeypatch.setattr("edge.sinks.sink_worker.CLOSE_TIMEOUT_S", 0.0)
    monkeypatch.setattr(f"edge.sinks.sink_worker.{timeout}CLOSE_TIMEOUT_S", 0.3)
    kept = Kept(takes_s=0.15)
    waiting = worker(kept, lossless=lossless)
    for number in range(frames):
        waiting.put(number, result(number))
    assert finished(waiting) and len(kept.results) == frames


@pytest.mark.parametrize(("error_at", "frames"), [(None, 20), ((1, ValueError("full")), 1)])
def test_the_loop_waits_for_a_lossless_sink_but_not_for_one_that_failed(error_at, frames):
    kept = Kept(takes_s=0.01, error_at=error_at)
    waiting = worker(kept, images=True, lossless=True)
    waiting.open()
    putting = threading.Thread(target=lambda: [waiting.put(n, result(n)) for n in range(20)], daemon=True)
    putting.start()
    putting.join(2)
    assert not putting.is_alive() and not waiting.dropped
    waiting.close(failed=False)
    assert waiting.join() and [r.frame.index for r in kept.results] == list(range(frames))


def test_a_sink_without_results_can_end_the_run(monkeypatch):
    """As a window that is closed while the camera is lost."""
    monkeypatch.setattr("edge.sinks.sink_worker.IDLE_INTERVAL_S", 0.01)
    calls, stopped = [], threading.Event()

    def idle():
        calls.append(threading.current_thread())
        if len(calls) == 3:
            raise StopRequested

    kept = Kept()
    waiting = worker(kept, images=True, idle=idle)
    waiting.on_stop = stopped.set
    waiting.open()
    assert stopped.wait(10) and waiting.join() and len(calls) == 3 and waiting.error is None
