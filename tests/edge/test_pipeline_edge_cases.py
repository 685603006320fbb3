"""Errors at the very end of a run and races between its threads neither block it nor get lost."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from parts import Frames
from scripted_stages import Kept, Scripted, Slow, pipeline, worker

from edge.capture.live import LiveSource
from edge.capture.source import CaptureConfig
from edge.contract.errors import StageError
from edge.contract.types import Event
from edge.loop.outcome import Limits

BLACK = np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize("where", ["validate", "finish"])
def test_an_error_in_validate_or_finish_is_raised(where):
    def failing(*_):
        raise ZeroDivisionError("at the end")

    kept, action, more = Kept(), Slow(0), {}
    if where == "validate":
        more["validate"] = failing
    else:
        action.finish = failing
    running = pipeline(Frames(5), Scripted(), action, kept, **more)
    rescue = threading.Timer(5, running._done.set)
    rescue.start()
    with pytest.raises(ZeroDivisionError, match="at the end"):
        running.run()
    assert rescue.is_alive() and kept.left not in (None, "well")
    rescue.cancel()


def test_an_error_in_the_action_stage_frees_the_pose_stage_at_once():
    kept, action, begin = Kept(), Slow(0), time.monotonic()
    action.process = lambda seen: 1 / 0
    with pytest.raises(ZeroDivisionError):
        pipeline(Frames(50), Scripted(), action, kept).run()
    assert time.monotonic() - begin < 4 and kept.left not in (None, "well")


def test_of_two_errors_the_first_counts():
    action, first = Slow(0), StageError("the cause")
    action.finish = lambda: 1 / 0
    assert pipeline(Frames(50), Scripted(error_at=(9, first)), action).run().ended_by is first


def test_while_a_network_hangs_the_action_stage_has_time_to_end_actions(watchdog):
    watchdog(stage_timeout=0.4, check_interval=0.2)
    action, events, freed = Slow(0), Kept(), threading.Event()
    pose = Scripted(hold=(2, freed))
    action.finish = lambda: (time.sleep(0.2), Event("person_left", 1.0, 1))[1:]
    outcome = pipeline(Frames(5), pose, action, worker(events, kind="events")).run()
    assert outcome.hanging_stages == ("pose",) and [event.kind for event in events.results] == ["person_left"]
    freed.set()


def test_events_from_two_threads_are_all_counted():
    source = Frames(5)

    class Events(tuple):
        def __len__(self):
            # While these are counted, the source emits an event on its own thread.
            emitting = threading.Thread(target=lambda: source.on_event(Event("source_lost", 0.0)))
            emitting.start()
            emitting.join()
            return super().__len__()

    action = Slow(0)
    plain = action.process
    action.process = lambda seen: replace(plain(seen), events=Events((Event("person_entered", seen.frame.time_s, 1),)))
    assert pipeline(source, Scripted(), action).run().events == 10


def test_a_run_stopped_before_the_first_frame_discards_its_files():
    kept, waiting = Kept(), threading.Event()

    class Silent(Frames):
        def __iter__(self):
            waiting.wait(20)
            return iter(())

        def cancel(self):
            waiting.set()

    running = pipeline(Silent(5), Scripted(), Slow(0), kept)
    threading.Timer(0.1, running.stop).start()
    outcome = running.run()
    assert outcome.frames == 0 and kept.left not in (None, "well")


def test_a_time_limit_holds_while_the_camera_is_lost():
    left = [BLACK]

    class Once:
        """A driver that returns one frame."""

        def read(self):
            return (True, left.pop()) if left else (False, None)

        def get(self, _):
            return 30.0

        def release(self):
            pass

    camera = LiveSource("camera", Once, CaptureConfig(), hint=lambda: "")
    kept, begin = Kept(), time.monotonic()
    outcome = pipeline(camera, Scripted(), Slow(0), kept, limits=Limits(seconds=0.3)).run()
    assert outcome.frames == 1 and outcome.ended_by is None and kept.left == "well"
    assert 0.3 <= time.monotonic() - begin < 3
    pipeline(Frames(3, live=True), Scripted(), Slow(0), limits=Limits(seconds=1e300)).run()
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert not any(timer.join(2) or timer.is_alive() for timer in timers)  # a cancelled one takes a moment
