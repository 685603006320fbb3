"""How a run of overlapping stages ends: enough, stopped, failed, or left hanging."""

import sys
import threading
import time
from contextlib import contextmanager

import pytest
from parts import Frames, action_stage
from people import PENN
from scripted_stages import Kept, Scripted, Slow, pipeline, worker

from edge.contract.bundle import read_bundle
from edge.contract.errors import OutputError, SourceError, StageError
from edge.drawing.overlay import Overlay
from edge.latency import LatencyHistory
from edge.sinks.sink import StopRequested
from edge.sinks.sink_worker import SinkOptions, SinkWorker


@pytest.fixture
def action(bundle_folder):
    return action_stage(read_bundle(bundle_folder))


def test_a_sink_that_has_enough_ends_the_run_as_its_source_would(action):
    window, other = Kept(error_at=(3, StopRequested())), Kept()
    outcome = pipeline(Frames(500, pause_s=0.001), Scripted(), action, window, other).run()
    assert 3 <= outcome.frames < 60 and outcome.ended_by is None and other.left == "well"


def test_stop_finishes_what_is_under_way_and_files_are_whole(action):
    kept, seen = Kept(), threading.Event()
    source = Frames(10_000, pause_s=0.001)
    running = pipeline(source, Scripted(), action, kept, on_result=lambda result: seen.set())
    threading.Thread(target=lambda: (seen.wait(), running.stop()), daemon=True).start()
    outcome = running.run()
    assert 1 <= outcome.frames < 200 and len(kept.results) == outcome.frames and kept.left == "well"


def test_a_recording_that_breaks_off_is_an_error_and_leaves_nothing(action):
    kept = Kept()
    with pytest.raises(SourceError, match="breaks off"):
        pipeline(Frames(4, SourceError("breaks off")), Scripted(), action, kept).run()
    assert len(kept.results) <= 4 and kept.left not in (None, "well")


def test_a_camera_that_is_gone_for_good_keeps_what_was_found(action):
    kept = Kept()
    source = Frames(5, SourceError("did not come back"), live=True, pause_s=0.01)
    outcome = pipeline(source, Scripted(), action, kept).run()
    assert outcome.frames >= 1 and kept.left == "well" and "did not come back" in str(outcome.ended_by)


def test_a_stage_that_keeps_failing_ends_the_run_and_keeps_what_was_found(action):
    kept = Kept()
    outcome = pipeline(Frames(50), Scripted(error_at=(20, StageError("failed 4 times"))), action, kept).run()
    assert outcome.frames == 20 == len(kept.results) and kept.left == "well"
    assert isinstance(outcome.ended_by, StageError)


def test_a_mistake_in_a_stage_is_raised_as_it_is(action):
    kept = Kept()
    with pytest.raises(ZeroDivisionError):
        pipeline(Frames(50), Scripted(error_at=(20, ZeroDivisionError())), action, kept).run()
    assert kept.left not in (None, "well")


def test_a_full_disk_ends_the_run_and_leaves_nothing(action):
    full, other = Kept(error_at=(5, OutputError("no space"))), Kept()
    with pytest.raises(OutputError, match="no space"):
        pipeline(Frames(500, pause_s=0.001), Scripted(), action, full, other).run()
    assert other.left not in (None, "well") and len(other.results) < 100


@pytest.mark.parametrize("mistake", [OutputError("no space"), ZeroDivisionError()])
def test_of_a_camera_what_other_outputs_have_is_kept_for_it_cannot_be_had_again(action, mistake):
    full, other = Kept(error_at=(5, mistake)), Kept()
    running = pipeline(Frames(500, live=True, pause_s=0.005), Scripted(), action, worker(full, "full"), other)
    if isinstance(mistake, OutputError):
        outcome = running.run()
        assert outcome.ended_by is mistake and outcome.unwritten == ("full",)
    else:
        with pytest.raises(ZeroDivisionError):
            running.run()
    assert full.left not in (None, "well") and other.left == "well" and 5 <= len(other.results) < 200


def test_an_output_that_cannot_be_opened_is_an_error_before_the_first_frame(action):
    @contextmanager
    def refused():
        raise OutputError("no such folder")
        yield

    pose, other, later, start = Scripted(), Kept(), Kept(), time.monotonic()
    broken = SinkWorker("broken", refused(), SinkOptions(), Overlay(PENN), LatencyHistory(0))
    with pytest.raises(OutputError, match="no such folder"):
        pipeline(Frames(5), pose, action, other, broken, later).run()
    assert not pose.looked and other.left not in (None, "well")
    # What was to be opened after it was not, and is not waited for.
    assert later.left is None and time.monotonic() - start < 2


def test_what_makes_an_outcome_worthless_leaves_nothing(action):
    kept = Kept()

    def nobody(outcome):
        raise SourceError(f"nobody in {outcome.frames} frames")

    with pytest.raises(SourceError, match="nobody in 5 frames"):
        pipeline(Frames(5), Scripted(), action, kept, validate=nobody).run()
    assert kept.left not in (None, "well")
    # Not where it did not come to its end by itself.
    stopped = pipeline(Frames(500, pause_s=0.01), Scripted(), action, Kept(), validate=nobody)
    threading.Timer(0.1, stopped.stop).start()
    assert stopped.run().frames < 500


def test_a_stage_that_hangs_does_not_keep_the_run_from_ending(action, monkeypatch):
    monkeypatch.setattr("edge.loop.stage_watchdog.STOP_TIMEOUT_S", 0.1)
    kept, hold = Kept(), threading.Event()
    pose = Scripted(hold=hold)
    running = pipeline(Frames(50), pose, action, kept)
    timer = threading.Timer(0.1, running._done.set)  # what a second Ctrl-C comes to
    timer.start()
    outcome = running.run()
    assert "pose" in outcome.hanging and kept.left == "well"
    hold.set()


def test_a_camera_that_hangs_when_the_run_is_stopped_is_told_so_and_left_behind(action, monkeypatch):
    monkeypatch.setattr("edge.loop.stage_watchdog.STOP_TIMEOUT_S", 0.1)
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
    assert sys.getswitchinterval() == pytest.approx(0.004), "as it was before the run"
    sys.setswitchinterval(before_s)


@pytest.mark.parametrize("error", [StageError("it keeps failing"), SourceError("it is gone")])
def test_a_run_that_fails_before_its_first_result_is_that_error_and_leaves_nothing(action, error):
    kept = Kept()
    with pytest.raises(type(error), match=error.what):
        pipeline(Frames(5, live=True, pause_s=0.02), Scripted(error_at=(0, error)), action, kept).run()
    assert kept.left not in (None, "well")


def test_a_window_runs_on_the_thread_that_runs_the_pipeline(action):
    threads = set()
    window = Kept()
    window.take = lambda result: threads.add(threading.current_thread())
    pipeline(Frames(20), Scripted(), action, worker(window, images=True, on_main_thread=True)).run()
    assert threads == {threading.main_thread()}


def test_what_had_begun_ends_with_the_run(action):
    @contextmanager
    def listening():
        yield events.append

    events = []
    told = SinkWorker("events", listening(), SinkOptions(kind="events"), Overlay(PENN), LatencyHistory(0))
    pipeline(Frames(60), Scripted(), action, told).run()
    kinds = [event.kind for event in events]
    assert kinds[0] == "person_entered" and kinds[-1] == "person_left"
    assert kinds.count("action_started") == kinds.count("action_ended") > 0


def test_a_window_that_cannot_be_opened_is_an_error_before_the_first_frame(action):
    @contextmanager
    def refused():
        raise OutputError("no screen")
        yield

    pose, other = Scripted(), Kept()
    window = SinkWorker("window", refused(), SinkOptions(on_main_thread=True), Overlay(PENN), LatencyHistory(0))
    with pytest.raises(OutputError, match="no screen"):
        pipeline(Frames(5), pose, action, other, window).run()
    assert not pose.looked and other.left not in (None, "well")


def test_a_window_is_closed_where_a_later_output_cannot_be_opened(action):
    @contextmanager
    def refused():
        raise OutputError("no such folder")
        yield

    window = Kept()
    broken = SinkWorker("broken", refused(), SinkOptions(), Overlay(PENN), LatencyHistory(0))
    with pytest.raises(OutputError, match="no such folder"):
        pipeline(Frames(5), Scripted(), action, worker(window, on_main_thread=True), broken).run()
    assert window.left not in (None, "well") and not window.results


@pytest.mark.parametrize("frames", [0, 3])
def test_a_network_that_never_answers_ends_the_run_with_its_cause_and_keeps_what_was_found(action, monkeypatch, frames):
    monkeypatch.setattr("edge.loop.stage_watchdog.STAGE_TIMEOUT_S", 0.3)
    monkeypatch.setattr("edge.loop.stage_watchdog.CHECK_INTERVAL_S", 0.05)
    kept, freed, begin = Kept(), threading.Event(), time.monotonic()
    pose = Scripted()
    plain = pose.estimate
    pose.estimate = lambda frame: (frame.index == frames and freed.wait()) or plain(frame)
    outcome = pipeline(Frames(50), pose, action, kept).run()
    assert outcome.hanging == ("pose",) and outcome.frames == len(kept.results) == frames
    assert isinstance(outcome.ended_by, StageError) and "pose stage has been at one frame" in str(outcome.ended_by)
    assert (kept.left == "well") == (frames > 0) and time.monotonic() - begin < 3
    freed.set()


def test_of_a_network_that_does_not_answer_one_ctrl_c_is_enough(action, monkeypatch):
    monkeypatch.setattr("edge.loop.stage_watchdog.STOP_TIMEOUT_S", 0.3)
    monkeypatch.setattr("edge.loop.stage_watchdog.CHECK_INTERVAL_S", 0.05)
    kept, freed = Kept(), threading.Event()
    pose = Scripted()
    plain = pose.estimate
    pose.estimate = lambda frame: (frame.index == 3 and (running.stop() or freed.wait())) or plain(frame)
    running = pipeline(Frames(50), pose, action, kept)
    outcome = running.run()
    assert outcome.hanging == ("pose",) and outcome.ended_by is None
    assert outcome.frames == len(kept.results) == 3 and kept.left == "well"
    freed.set()


def test_stages_that_are_slow_or_wait_for_each_other_do_not_hang(action, monkeypatch):
    monkeypatch.setattr("edge.loop.stage_watchdog.STAGE_TIMEOUT_S", 0.3)
    monkeypatch.setattr("edge.loop.stage_watchdog.CHECK_INTERVAL_S", 0.02)
    kept = Kept(takes_s=0.1)
    outcome = pipeline(Frames(9), Scripted(takes_s=0.1), action, kept).run()
    assert outcome.frames == 9 and outcome.ended_by is None and not outcome.hanging


def test_a_student_that_never_answers_ends_the_run_too(monkeypatch):
    monkeypatch.setattr("edge.loop.stage_watchdog.STAGE_TIMEOUT_S", 0.3)
    for module in ("stage_watchdog", "pipeline"):
        monkeypatch.setattr(f"edge.loop.{module}.CHECK_INTERVAL_S", 0.05)
    kept, freed, action = Kept(), threading.Event(), Slow(0)
    plain = action.process
    action.process = lambda seen: (seen.frame.index == 3 and freed.wait()) or plain(seen)
    window = worker(Kept(), "window", on_main_thread=True)
    outcome = pipeline(Frames(50), Scripted(), action, window, kept).run()
    assert "action" in outcome.hanging and "action stage has been at one frame" in str(outcome.ended_by)
    assert outcome.frames == len(kept.results) == 3 and kept.left == "well"
    freed.set()
