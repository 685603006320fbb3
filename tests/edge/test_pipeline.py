"""Stages that overlap: how fast, how old, and what is counted."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from parts import Frames, action_stage
from scripted_stages import Kept, Scripted, Slow, pipeline, worker

from edge.contract.bundle import read_bundle
from edge.contract.types import Event
from edge.latency import CAPTURE, DECISION, POSE, WAITING, LatencyHistory
from edge.loop.outcome import Limits


@pytest.fixture
def action(bundle_folder):
    return action_stage(read_bundle(bundle_folder))


def test_a_recording_is_seen_whole_and_in_order(action):
    pose, kept = Scripted(), Kept()
    outcome = pipeline(Frames(60), pose, action, kept).run()
    assert outcome.frames == 60 and pose.looked == list(range(60)) and outcome.dropped == 0
    assert [result.frame.index for result in kept.results] == list(range(60)) and kept.left == "well"
    assert kept.results[-1].people[0].track_id == 1 and outcome.with_poses == 60 and outcome.failed == 0


def test_frames_that_a_stage_could_not_see_are_counted_and_what_events_say_is_warned_of(action):
    class Failing(Scripted):
        def estimate(self, frame):
            return (
                replace(super().estimate(frame), failure="out of memory", poses=())
                if frame.index < 3
                else super().estimate(frame)
            )

    warned, source = [], Frames(9)
    running = pipeline(source, Failing(), action, warn=warned.append)
    outcome = running.run()
    source.on_event(Event("source_lost", 1.0, text="it is gone"))
    assert (outcome.frames, outcome.failed, outcome.with_poses) == (9, 3, 6) and warned == ["it is gone"]


def test_the_slowest_stage_alone_sets_the_pace():
    # 8 ms a frame to read, 10 to look at, 6 to decide, 9 to write: 33 one after the other.
    source, pose, action, kept = Frames(60, pause_s=0.008), Scripted(0.010), Slow(0.006), Kept(0.009)
    outcome = pipeline(source, pose, action, kept).run()
    assert len(kept.results) == 60
    each_s = [sum(stage.busy.took_s) for stage in (pose, action, kept)]
    assert outcome.seconds < 0.75 * (sum(each_s) + 60 * 0.008)


@pytest.mark.parametrize(("pose_s", "action_s"), [(0.02, 0.005), (0.005, 0.02), (0.015, 0.015)])
def test_a_live_frame_is_no_older_than_its_stages_and_one_frame(pose_s, action_s):
    # A camera faster than the stages: the pose stage takes the newest frame, none waits behind another.
    history, pose, action = LatencyHistory(10), Scripted(pose_s), Slow(action_s)
    source = Frames(200, live=True, pause_s=0.004)
    outcome = pipeline(source, pose, action, history=history).run()
    looked_s, decided_s = (float(np.percentile(stage.busy.took_s, 75)) for stage in (pose, action))
    allowed_s = looked_s + decided_s + max(looked_s, decided_s) + 0.008
    assert history.summary()[DECISION].p50_ms < 1000 * allowed_s
    assert 20 < outcome.frames < 150 and outcome.dropped > 20


@pytest.mark.parametrize(("read_s", "pose_s", "waits"), [(0.012, 0.03, True), (0.03, 0.005, False)])
def test_the_action_stage_wakes_while_the_pose_stage_is_busy_or_at_once_where_it_is_not(read_s, pose_s, waits):
    pose, action, seen, begun = Scripted(pose_s), Slow(0), {}, {}
    estimate, process = pose.estimate, action.process

    def noting_estimate(frame):
        found = estimate(frame)
        seen[frame.index] = time.perf_counter()
        return found

    def noting_process(found):
        begun[found.frame.index] = time.perf_counter()
        return process(found)

    pose.estimate, action.process = noting_estimate, noting_process
    pipeline(Frames(20, pause_s=read_s), pose, action).run()
    assert begun.keys() == seen.keys() == set(range(20))
    # Where the pose stage has its next frame at hand, when the one after that was read, which takes 12 ms.
    assert (np.median([begun[n] - seen[n] for n in range(2, 16)]) > 0.006) == waits


def test_of_a_live_source_what_came_too_late_is_counted_not_looked_at():
    pose, kept = Scripted(0.012), Kept()
    outcome = pipeline(Frames(100, live=True, pause_s=0.003), pose, Slow(0), kept).run()
    assert outcome.frames < 60 and 98 <= outcome.frames + outcome.dropped <= 100
    assert pose.looked == sorted(pose.looked) and pose.looked[-1] >= 95


def test_a_consumer_that_takes_nothing_for_a_while_slows_nobody_and_misses_no_event(action):
    slow, quick, release = Kept(), Kept(), threading.Event()
    slow.busy = release.wait
    workers = worker(slow, "slow", images=True), worker(quick, "quick", images=True)
    running = pipeline(Frames(100, live=True, pause_s=0.005), Scripted(), action, *workers)
    # By then all frames were looked at; had the loop waited, this would never come.
    ended = running._done.set
    running._done.set = lambda: (ended(), release.set())
    outcome = running.run()
    assert outcome.frames > 10 and len(quick.results) > len(slow.results) == 2
    told = [event.kind for result in slow.results for event in result.events]
    assert told.count("person_entered") == 1
    # Of those looked at each got what it got, and gave up the rest.
    assert outcome.dropped_by_sink["slow"] == outcome.frames - 2
    assert outcome.dropped_by_sink.get("quick", 0) == outcome.frames - len(quick.results)


def test_a_consumer_that_hangs_is_left_behind_and_named(action, monkeypatch):
    monkeypatch.setattr("edge.sinks.sink_worker.CLOSE_TIMEOUT_S", 0.2)
    hanging, other, release = Kept(), Kept(), threading.Event()
    hanging.busy = release.wait
    source = Frames(50, live=True, pause_s=0.002)
    outcome = pipeline(source, Scripted(), action, worker(hanging), worker(other)).run()
    assert outcome.frames == len(other.results) > 1 and outcome.hanging == ("test",) and other.left == "well"
    release.set()


@pytest.mark.parametrize(
    ("limits", "frames"), [((None, None), 50), ((7, None), 7), ((None, 1.0), 26), ((5, 1.0), 5), ((900, 900.0), 50)]
)
def test_limits_end_the_run(action, limits, frames):
    source = Frames(50)
    given = Limits(*limits)
    assert pipeline(source, Scripted(), action, limits=given).run().frames == frames
    assert given.total(source) in (frames, frames - 1)


def test_of_a_live_source_so_many_frames_are_looked_at_as_was_asked_for(action):
    # Five frames come while one is looked at; had all of them counted, the run would have ended with the second.
    source, pose = Frames(10_000, live=True, pause_s=0.002), Scripted(0.010)
    outcome = pipeline(source, pose, action, limits=Limits(frames=8)).run()
    assert outcome.frames == len(pose.looked) == 8 and source.cancelled
    assert outcome.dropped > 7


class Timed(Scripted):
    """Says that it took 7 ms."""

    def estimate(self, frame):
        return replace(super().estimate(frame), latency_ms={POSE: 7.0})


def test_figures_name_every_stage_and_waiting_adds_up():
    history, pose, kept = LatencyHistory(0), Timed(0.01), Kept()
    pipeline(Frames(30, pause_s=0.003), pose, Slow(0.002), kept, history=history).run()
    for spent_ms in (result.latency_ms for result in kept.results):
        assert spent_ms[WAITING] + 7 == pytest.approx(spent_ms[DECISION])
    rows = history.summary()
    assert rows[CAPTURE].p50_ms > 3, "it takes so long to read a frame"
    assert rows[CAPTURE].frames == rows[DECISION].frames == 30
    # A frame of a recording waits while the one before it is looked at, and then is looked at itself.
    looked_ms = 1000 * float(np.median(pose.busy.took_s))
    assert rows[WAITING].p50_ms <= rows[DECISION].p50_ms and rows[DECISION].p50_ms > 1.5 * looked_ms
