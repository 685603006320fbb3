"""How a run ends: a sink requests it, stop() is called, something fails, or a stage hangs."""

import sys
import threading
import time
from contextlib import contextmanager

import pytest
from parts import Frames
from scripted_stages import Kept, Scripted, Slow, pipeline, worker

from edge.contract.errors import OutputError, SourceError, StageError
from edge.loop.stage_watchdog import StageWatchdog
from edge.sinks.sink import StopRequested


def test_a_sink_that_requests_the_end_ends_the_run_normally(action):
    window, other = Kept(error_at=(3, StopRequested())), Kept()
    outcome = pipeline(Frames(500, pause_s=0.001), Scripted(), action, window, other).run()
    assert 3 <= outcome.frames < 60 and outcome.ended_by is None and other.left == "well"


def test_stop_finishes_frames_in_flight_and_files_are_complete(action):
    kept, seen = Kept(), threading.Event()
    source = Frames(10_000, pause_s=0.001)
    running = pipeline(source, Scripted(), action, kept, on_result=lambda result: seen.set())
    threading.Thread(target=lambda: (seen.wait(), running.stop()), daemon=True).start()
    outcome = running.run()
    assert 1 <= outcome.frames < 200 and len(kept.results) == outcome.frames and kept.left == "well"


def test_a_truncated_recording_is_an_error_and_files_are_discarded(action):
    kept = Kept()
    with pytest.raises(SourceError, match="breaks off"):
        pipeline(Frames(4, SourceError("breaks off")), Scripted(), action, kept).run()
    assert len(kept.results) <= 4 and kept.left not in (None, "well")


def test_a_camera_lost_for_good_keeps_the_files(action):
    kept = Kept()
    source = Frames(5, SourceError("did not come back"), live=True, pause_s=0.01)
    outcome = pipeline(source, Scripted(), action, kept).run()
    assert outcome.frames >= 1 and kept.left == "well" and "did not come back" in str(outcome.ended_by)


def test_a_stage_that_keeps_failing_ends_the_run_and_keeps_the_files(action):
    kept = Kept()
    outcome = pipeline(Frames(50), Scripted(error_at=(20, StageError("failed 4 times"))), action, kept).run()
    assert outcome.frames == 20 == len(kept.results) and kept.left == "well"
    assert isinstance(outcome.ended_by, StageError)


def test_an_unexpected_error_in_a_stage_is_raised_unchanged(action):
    kept = Kept()
    with pytest.raises(ZeroDivisionError):
        pipeline(Frames(50), Scripted(error_at=(20, ZeroDivisionError())), action, kept).run()
    assert kept.left not in (None, "well")


def test_a_full_disk_ends_the_run_and_discards_the_files(action):
    full, other = Kept(error_at=(5, OutputError("no space"))), Kept()
    with pytest.raises(OutputError, match="no space"):
        pipeline(Frames(500, pause_s=0.001), Scripted(), action, full, other).run()
    assert other.left not in (None, "well") and len(other.results) < 100


@pytest.mark.parametrize("error", [OutputError("no space"), ZeroDivisionError()])
def test_with_a_camera_the_files_of_other_sinks_are_kept_after_a_sink_fails(action, error):
    full, other = Kept(error_at=(5, error)), Kept()
    running = pipeline(Frames(500, live=True, pause_s=0.005), Scripted(), action, worker(full, "full"), other)
    if isinstance(error, OutputError):
        outcome = running.run()
        assert outcome.ended_by is error and outcome.unwritten == ("full",)
    else:
        with pytest.raises(ZeroDivisionError):
            running.run()
    assert full.left not in (None, "well") and other.left == "well" and 5 <= len(other.results) < 200


def test_a_sink_that_cannot_be_opened_is_an_error_before_the_first_frame(action):
    class Refused(Kept):
        @contextmanager
        def opened(self):
            raise OutputError("no such folder")
            yield

    pose, other, later, start = Scripted(), Kept(), Kept(), time.monotonic()
    with pytest.raises(OutputError, match="no such folder"):
        pipeline(Frames(5), pose, action, other, worker(Refused()), later).run()
    assert not pose.looked and other.left not in (None, "well")
    # The sink after it is never opened, and not waited for.
    assert later.left is None and time.monotonic() - start < 2


def test_a_failed_validation_discards_the_files(action):
    kept = Kept()

    def nobody(outcome):
        raise SourceError(f"nobody in {outcome.frames} frames")

    with pytest.raises(SourceError, match="nobody in 5 frames"):
        pipeline(Frames(5), Scripted(), action, kept, validate=nobody).run()
    assert kept.left not in (None, "well")
    # A stopped run is not validated.
    stopped = pipeline(Frames(500, pause_s=0.01), Scripted(), action, Kept(), validate=nobody)
    threading.Timer(0.1, stopped.stop).start()
    assert stopped.run().frames < 500


def test_a_hanging_stage_does_not_block_the_end_of_the_run(action, watchdog):
    watchdog(stop_timeout=0.1)
    kept, freed = Kept(), threading.Event()
    running = pipeline(Frames(50), Scripted(hold=(0, freed)), action, kept)
    threading.Timer(0.1, running._done.set).start()  # the effect of Ctrl-C
    outcome = running.run()
    assert "pose" in outcome.hanging and kept.left == "well"
    freed.set()


def test_a_camera_that_hangs_on_stop_is_cancelled_and_abandoned(action, watchdog):
    watchdog(stop_timeout=0.1)
    freed, before_s, kept = threading.Event(), sys.getswitchinterval(), Kept()
    sys.setswitchinterval(0.004)

    class Hanging(Frames):
        def __iter__(self):
            yield from super().__iter__()
            freed.wait()

    source = Hanging(3, live=True, pause_s=0.02)
    running = pipeline(source, Scripted(), action, kept)
    threading.Timer(0.3, running.stop).start()
    outcome = running.run()
    freed.set()
    assert 1 <= outcome.frames <= 3 and outcome.hanging == ("capture",) and source.cancelled and kept.left == "well"
    assert sys.getswitchinterval() == pytest.approx(0.004), "restored after the run"
    sys.setswitchinterval(before_s)


@pytest.mark.parametrize("error", [StageError("it keeps failing"), SourceError("it is gone")])
def test_a_failure_before_the_first_result_is_raised_and_files_are_discarded(action, error):
    kept = Kept()
    with pytest.raises(type(error), match=error.what):
        pipeline(Frames(5, live=True, pause_s=0.02), Scripted(error_at=(0, error)), action, kept).run()
    assert kept.left not in (None, "well")


def test_people_and_actions_end_with_the_run(action):
    events = Kept()
    pipeline(Frames(60), Scripted(), action, worker(events, kind="events")).run()
    kinds = [event.kind for event in events.results]
    assert kinds[0] == "person_entered" and kinds[-1] == "person_left"
    assert kinds.count("action_started") == kinds.count("action_ended") > 0


@pytest.mark.parametrize("frames", [0, 3])
def test_a_pose_network_that_never_returns_ends_the_run_with_its_cause_and_keeps_the_files(action, watchdog, frames):
    watchdog(stage_timeout=0.4, check_interval=0.2)
    kept, freed, begin = Kept(), threading.Event(), time.monotonic()
    outcome = pipeline(Frames(50), Scripted(hold=(frames, freed)), action, kept).run()
    assert outcome.hanging == ("pose",) and outcome.frames == len(kept.results) == frames
    assert isinstance(outcome.ended_by, StageError)
    assert "pose stage has been processing one frame" in str(outcome.ended_by)
    assert (kept.left == "well") == (frames > 0) and time.monotonic() - begin < 3
    freed.set()


def test_a_source_that_fails_while_a_network_hangs_is_returned_before_anything_can_be_closed(action, watchdog):
    watchdog(stop_timeout=0.4, check_interval=0.2)
    kept, freed = Kept(), threading.Event()
    pose = Scripted(hold=(2, freed))
    outcome = pipeline(Frames(4, SourceError("breaks off")), pose, action, worker(kept, "kept")).run()
    assert outcome.hanging_stages == ("pose",) and str(outcome.ended_by) == "breaks off" and outcome.frames == 2
    assert kept.left not in (None, "well") and outcome.unwritten == ("kept",)
    freed.set()


def test_one_ctrl_c_is_enough_while_a_network_hangs(action, watchdog):
    watchdog(stop_timeout=0.4, check_interval=0.2)
    kept, freed = Kept(), threading.Event()
    pose = Scripted()
    plain = pose.estimate
    pose.estimate = lambda frame: (frame.index == 3 and (running.stop() or freed.wait())) or plain(frame)
    running = pipeline(Frames(50), pose, action, kept)
    outcome = running.run()
    assert outcome.hanging == ("pose",) and outcome.ended_by is None
    assert outcome.frames == len(kept.results) == 3 and kept.left == "well"
    freed.set()


def test_slow_or_waiting_stages_are_not_taken_for_hanging_ones(action, watchdog):
    watchdog(stage_timeout=0.3, check_interval=0.02)
    kept = Kept(takes_s=0.1)
    outcome = pipeline(Frames(9), Scripted(takes_s=0.1), action, kept).run()
    assert outcome.frames == 9 and outcome.ended_by is None and not outcome.hanging


def test_a_stage_may_take_longer_than_a_check_to_end(watchdog):
    watchdog(check_interval=0.01)
    ending = threading.Thread(target=time.sleep, args=(0.3,), name="pose")
    ending.start()
    assert StageWatchdog().join([ending]) == []


def test_a_student_that_never_returns_ends_the_run_too(watchdog, monkeypatch):
    watchdog(stage_timeout=0.4, check_interval=0.2)
    monkeypatch.setattr("edge.loop.pipeline.CHECK_INTERVAL_S", 0.2)
    kept, freed, action = Kept(), threading.Event(), Slow(0)
    plain = action.process
    action.process = lambda seen: (seen.frame.index == 3 and freed.wait()) or plain(seen)
    outcome = pipeline(Frames(50), Scripted(), action, kept).run()
    assert "action" in outcome.hanging and "action stage has been processing one frame" in str(outcome.ended_by)
    assert outcome.frames == len(kept.results) == 3 and kept.left == "well"
    freed.set()
