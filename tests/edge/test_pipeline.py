"""Stages that overlap: how fast, how old, how they end."""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from parts import SCRIPT_LAYOUT, Pictures, action_stage, moving_body, sighting
from people import PENN

from edge.contract.bundle import read_bundle
from edge.contract.errors import OutputError, SourceError, StageError
from edge.contract.types import FrameResult, Sighting
from edge.latency import CAPTURE, DECISION, WAITING, LatencyHistory
from edge.loop.outlet import Outlet, Terms
from edge.loop.pipeline import Pipeline
from edge.loop.played import Limits
from edge.overlay import Overlay
from edge.sinks.sink import Enough


class Busy:
    """Sleeps, and remembers how long it really slept: other work may run on these processors."""

    def __init__(self, takes_s):
        self.takes_s, self.took_s = takes_s, []

    def __call__(self):
        start = time.perf_counter()
        time.sleep(self.takes_s)
        self.took_s.append(time.perf_counter() - start)


class Scripted:
    """A pose stage that takes its time; fails with the error given at that frame."""

    layout = SCRIPT_LAYOUT

    def __init__(self, takes_s=0.0, error_at=None, hold=None):
        self.busy, self.error_at, self.hold, self.looked = Busy(takes_s), error_at, hold, []

    def see(self, frame):
        self.busy()
        if self.hold is not None:
            self.hold.wait()
        if self.error_at is not None and frame.index == self.error_at[0]:
            raise self.error_at[1]
        self.looked.append(frame.index)
        return sighting(frame.index, frame.time_s, [moving_body(frame.index)], frame.image)


class Slow:
    """An action stage that only takes its time."""

    def __init__(self, takes_s):
        self.busy = Busy(takes_s)

    def act(self, seen: Sighting):
        self.busy()
        return FrameResult(seen.frame, (), dict(seen.latency_ms), seen.poses)

    def finish(self):
        return ()


class Kept:
    """A sink that keeps what it is given, and how its context was left."""

    def __init__(self, takes_s=0.0, error_at=None):
        self.results, self.left, self.busy, self.error_at = [], None, Busy(takes_s), error_at

    @contextmanager
    def opened(self):
        try:
            yield self.take
        except BaseException as error:
            self.left = error
            raise
        self.left = "well"

    def take(self, result):
        self.busy()
        if self.error_at is not None and len(self.results) == self.error_at[0]:
            raise self.error_at[1]
        self.results.append(result)


def outlet(sink, name="test", **terms):
    return Outlet(name, sink.opened(), Terms(**terms), Overlay(PENN), LatencyHistory(0))


def pipeline(source, pose, action, *sinks, limits=None, history=None, **more):
    patient = not source.live
    outlets = [sink if isinstance(sink, Outlet) else outlet(sink, patient=patient) for sink in sinks]
    return Pipeline(source, pose, action, outlets, history or LatencyHistory(0), limits=limits or Limits(), **more)


@pytest.fixture
def action(bundle_folder):
    return action_stage(read_bundle(bundle_folder))


def test_a_recording_is_seen_whole_and_in_order(action):
    pose, kept = Scripted(), Kept()
    played = pipeline(Pictures(60), pose, action, kept).run()
    assert played.frames == 60 and pose.looked == list(range(60)) and played.dropped == 0
    assert [result.frame.index for result in kept.results] == list(range(60)) and kept.left == "well"
    assert kept.results[-1].people[0].track_id == 1 and played.with_poses == 60


def test_the_slowest_stage_alone_sets_the_pace():
    # 8 ms a picture to read, 10 to look at, 6 to decide, 9 to write: 33 one after the other.
    source, pose, action, kept = Pictures(60, pause_s=0.008), Scripted(0.010), Slow(0.006), Kept(0.009)
    played = pipeline(source, pose, action, kept).run()
    assert len(kept.results) == 60
    each_s = [sum(stage.busy.took_s) for stage in (pose, action, kept)]
    assert played.seconds < 0.75 * (sum(each_s) + 60 * 0.008)


@pytest.mark.parametrize(("pose_s", "action_s"), [(0.02, 0.005), (0.005, 0.02), (0.015, 0.015)])
def test_a_live_picture_is_no_older_than_its_stages_and_one_frame(pose_s, action_s):
    # A camera faster than the stages: the pose stage takes the newest picture, none waits behind another.
    history, pose, action = LatencyHistory(10), Scripted(pose_s), Slow(action_s)
    source = Pictures(200, live=True, pause_s=0.004)
    played = pipeline(source, pose, action, history=history).run()
    looked_s, decided_s = (float(np.percentile(stage.busy.took_s, 75)) for stage in (pose, action))
    allowed_s = looked_s + decided_s + max(looked_s, decided_s) + 0.008
    assert history.summary()[DECISION].p50_ms < 1000 * allowed_s
    assert 20 < played.frames < 150 and played.dropped > 20


@pytest.mark.parametrize(("read_s", "pose_s", "waits"), [(0.012, 0.03, True), (0.03, 0.005, False)])
def test_the_action_stage_wakes_while_the_pose_stage_is_busy_or_at_once_where_it_is_not(read_s, pose_s, waits):
    pose, action, seen, begun = Scripted(pose_s), Slow(0), {}, {}
    see, act = pose.see, action.act

    def noted_see(frame):
        sighting = see(frame)
        seen[frame.index] = time.perf_counter()
        return sighting

    def noted_act(sighting):
        begun[sighting.frame.index] = time.perf_counter()
        return act(sighting)

    pose.see, action.act = noted_see, noted_act
    pipeline(Pictures(20, pause_s=read_s), pose, action).run()
    assert begun.keys() == seen.keys() == set(range(20))
    # Where the pose stage has its next picture at hand, when the one after that was read, which takes 12 ms.
    assert (np.median([begun[n] - seen[n] for n in range(2, 16)]) > 0.006) == waits


def test_of_a_live_source_what_came_too_late_is_counted_not_looked_at():
    pose, kept = Scripted(0.012), Kept()
    played = pipeline(Pictures(100, live=True, pause_s=0.003), pose, Slow(0), kept).run()
    assert played.frames < 60 and 98 <= played.frames + played.dropped <= 100
    assert pose.looked == sorted(pose.looked) and pose.looked[-1] >= 95


def test_a_consumer_that_takes_nothing_for_a_while_slows_nobody_and_misses_no_event(action):
    slow, quick, release = Kept(), Kept(), threading.Event()
    slow.busy = release.wait
    outlets = outlet(slow, "slow", pictures=True), outlet(quick, "quick", pictures=True)
    running = pipeline(Pictures(100, live=True, pause_s=0.005), Scripted(), action, *outlets)
    # By then all pictures were looked at; had the loop waited, this would never come.
    ended = running._done.set
    running._done.set = lambda: (ended(), release.set())
    played = running.run()
    assert played.frames > 10 and len(quick.results) > len(slow.results) == 2
    told = [event.kind for result in slow.results for event in result.events]
    assert told.count("person_entered") == 1
    # Of those looked at each got what it got, and gave up the rest.
    assert played.given_up["slow"] == played.frames - 2
    assert played.given_up.get("quick", 0) == played.frames - len(quick.results)


def test_a_consumer_that_hangs_is_left_behind_and_named(action, monkeypatch):
    monkeypatch.setattr("edge.loop.outlet.CLOSING_S", 0.2)
    hanging, other, release = Kept(), Kept(), threading.Event()
    hanging.busy = release.wait
    source = Pictures(50, live=True, pause_s=0.002)
    played = pipeline(source, Scripted(), action, outlet(hanging), outlet(other)).run()
    assert played.frames == len(other.results) > 1 and played.hanging == ("test",) and other.left == "well"
    release.set()


@pytest.mark.parametrize(
    ("limits", "frames"), [((None, None), 50), ((7, None), 7), ((None, 1.0), 26), ((5, 1.0), 5), ((900, 900.0), 50)]
)
def test_limits_end_the_run(action, limits, frames):
    source = Pictures(50)
    given = Limits(*limits)
    assert pipeline(source, Scripted(), action, limits=given).run().frames == frames
    assert given.total(source) in (frames, frames - 1)


def test_of_a_live_source_so_many_pictures_are_looked_at_as_was_asked_for(action):
    # Five pictures come while one is looked at; had all of them counted, the run would have ended with the second.
    source, pose = Pictures(10_000, live=True, pause_s=0.002), Scripted(0.010)
    played = pipeline(source, pose, action, limits=Limits(frames=8)).run()
    assert played.frames == len(pose.looked) == 8 and source.cancelled
    assert played.dropped > 7


def test_figures_name_every_stage_and_waiting_adds_up():
    history, pose = LatencyHistory(0), Scripted(0.01)
    pipeline(Pictures(30), pose, Slow(0.002), Kept(), history=history).run()
    rows = history.summary()
    assert rows[CAPTURE].frames == rows[DECISION].frames == 30
    # A picture of a recording waits while the one before it is looked at, and then is looked at itself.
    looked_ms = 1000 * float(np.median(pose.busy.took_s))
    assert rows[WAITING].p50_ms <= rows[DECISION].p50_ms and rows[DECISION].p50_ms > 1.5 * looked_ms


def test_a_sink_that_has_enough_ends_the_run_as_its_source_would(action):
    window, other = Kept(error_at=(3, Enough())), Kept()
    played = pipeline(Pictures(500, pause_s=0.001), Scripted(), action, window, other).run()
    assert 3 <= played.frames < 60 and played.ended_by is None and other.left == "well"


def test_stop_finishes_what_is_under_way_and_files_are_whole(action):
    kept, seen = Kept(), threading.Event()
    source = Pictures(10_000, pause_s=0.001)
    running = pipeline(source, Scripted(), action, kept, on_result=lambda result: seen.set())
    threading.Thread(target=lambda: (seen.wait(), running.stop()), daemon=True).start()
    played = running.run()
    assert 1 <= played.frames < 200 and len(kept.results) == played.frames and kept.left == "well"


def test_a_recording_that_breaks_off_is_an_error_and_leaves_nothing(action):
    kept = Kept()
    with pytest.raises(SourceError, match="breaks off"):
        pipeline(Pictures(4, SourceError("breaks off")), Scripted(), action, kept).run()
    assert len(kept.results) <= 4 and kept.left not in (None, "well")


def test_a_camera_that_is_gone_for_good_keeps_what_was_found(action):
    kept = Kept()
    source = Pictures(5, SourceError("did not come back"), live=True, pause_s=0.01)
    played = pipeline(source, Scripted(), action, kept).run()
    assert played.frames >= 1 and kept.left == "well" and "did not come back" in str(played.ended_by)


def test_a_stage_that_keeps_failing_ends_the_run_and_keeps_what_was_found(action):
    kept = Kept()
    played = pipeline(Pictures(50), Scripted(error_at=(20, StageError("failed 4 times"))), action, kept).run()
    assert played.frames == 20 == len(kept.results) and kept.left == "well"
    assert isinstance(played.ended_by, StageError)


def test_a_mistake_in_a_stage_is_raised_as_it_is(action):
    kept = Kept()
    with pytest.raises(ZeroDivisionError):
        pipeline(Pictures(50), Scripted(error_at=(20, ZeroDivisionError())), action, kept).run()
    assert kept.left not in (None, "well")


def test_a_full_disk_ends_the_run_and_leaves_nothing(action):
    full, other = Kept(error_at=(5, OutputError("no space"))), Kept()
    with pytest.raises(OutputError, match="no space"):
        pipeline(Pictures(500, pause_s=0.001), Scripted(), action, full, other).run()
    assert other.left not in (None, "well") and len(other.results) < 100


def test_an_output_that_cannot_be_opened_is_an_error_before_the_first_picture(action):
    @contextmanager
    def refused():
        raise OutputError("no such folder")
        yield

    pose, other, later, start = Scripted(), Kept(), Kept(), time.monotonic()
    broken = Outlet("broken", refused(), Terms(), Overlay(PENN), LatencyHistory(0))
    with pytest.raises(OutputError, match="no such folder"):
        pipeline(Pictures(5), pose, action, other, broken, later).run()
    assert not pose.looked and other.left not in (None, "well")
    # What was to be opened after it was not, and is not waited for.
    assert later.left is None and time.monotonic() - start < 2


def test_what_makes_an_outcome_worthless_leaves_nothing(action):
    kept = Kept()

    def nobody(played):
        raise SourceError(f"nobody in {played.frames} pictures")

    with pytest.raises(SourceError, match="nobody in 5 pictures"):
        pipeline(Pictures(5), Scripted(), action, kept, accept=nobody).run()
    assert kept.left not in (None, "well")


def test_a_stage_that_hangs_does_not_keep_the_run_from_ending(action, monkeypatch):
    monkeypatch.setattr("edge.loop.pipeline.STOPPING_S", 0.1)
    kept, hold = Kept(), threading.Event()
    pose = Scripted(hold=hold)
    running = pipeline(Pictures(50), pose, action, kept)
    timer = threading.Timer(0.1, running._done.set)  # what a second Ctrl-C comes to
    timer.start()
    played = running.run()
    assert "pose" in played.hanging and kept.left == "well"
    hold.set()


def test_a_window_runs_on_the_thread_that_runs_the_pipeline(action):
    threads = set()
    window = Kept()
    window.take = lambda result: threads.add(threading.current_thread())
    pipeline(Pictures(20), Scripted(), action, outlet(window, pictures=True, here=True)).run()
    assert threads == {threading.main_thread()}


def test_what_had_begun_ends_with_the_run(action):
    @contextmanager
    def listening():
        yield events.append

    events = []
    told = Outlet("events", listening(), Terms(kind="events"), Overlay(PENN), LatencyHistory(0))
    pipeline(Pictures(60), Scripted(), action, told).run()
    kinds = [event.kind for event in events]
    assert kinds[0] == "person_entered" and kinds[-1] == "person_left"
    assert kinds.count("action_started") == kinds.count("action_ended") > 0
