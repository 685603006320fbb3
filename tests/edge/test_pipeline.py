"""Overlapping stages: throughput, age of frames, and counters."""

import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from parts import Frames
from scripted_stages import Kept, Scripted, Slow, pipeline, worker

from edge.contract.types import Event
from edge.latency import CAPTURE, DECISION, POSE, RECOGNISE, TRACK, WAITING, LatencyHistory
from edge.loop.outcome import Limits


def test_all_frames_of_a_recording_are_processed_in_order(action):
    pose, kept = Scripted(), Kept()
    outcome = pipeline(Frames(60), pose, action, kept).run()
    assert outcome.frames == 60 and pose.looked == list(range(60)) and outcome.dropped == 0
    assert [result.frame.index for result in kept.results] == list(range(60)) and kept.left == "well"
    assert kept.results[-1].people[0].track_id == 1 and outcome.with_poses == 60 and outcome.failed == 0


def test_failed_frames_are_counted_and_event_texts_are_warnings(action):
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
    # Per frame 8 ms to read, 10 for poses, 6 for actions, 9 to write: 33 ms if sequential.
    source, pose, action, kept = Frames(60, pause_s=0.008), Scripted(0.010), Slow(0.006), Kept(0.009)
    outcome = pipeline(source, pose, action, kept).run()
    assert len(kept.results) == 60
    each_s = [sum(stage.busy.took_s) for stage in (pose, action, kept)]
    assert outcome.seconds < 0.75 * (sum(each_s) + 60 * 0.008)


@pytest.mark.parametrize(("pose_s", "action_s"), [(0.02, 0.005), (0.005, 0.02), (0.015, 0.015)])
def test_a_live_frame_waits_for_at_most_one_frame_of_the_slower_stage(pose_s, action_s):
    # A camera faster than the stages: the pose stage takes the latest frame; none waits behind another.
    history, pose, action = LatencyHistory(10), Scripted(pose_s), Slow(action_s)
    source = Frames(200, live=True, pause_s=0.004)
    outcome = pipeline(source, pose, action, history=history).run()
    looked_s, decided_s = (float(np.percentile(stage.busy.took_s, 75)) for stage in (pose, action))
    allowed_s = looked_s + decided_s + max(looked_s, decided_s) + 0.008
    assert history.summary()[DECISION].p50_ms < 1000 * allowed_s
    assert 20 < outcome.frames < 150 and outcome.dropped > 20


@pytest.mark.parametrize(("read_s", "pose_s", "waits"), [(0.012, 0.03, True), (0.03, 0.005, False)])
def test_the_action_stage_is_woken_while_the_pose_stage_is_busy_or_at_once_if_it_is_idle(read_s, pose_s, waits):
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
    # If the pose stage's next frame is waiting: when the one after it has been read, which takes 12 ms.
    assert (np.median([begun[n] - seen[n] for n in range(2, 16)]) > 0.006) == waits
    assert np.median([seen[n + 1] - begun[n] for n in range(2, 16)]) > 0.006, "not only when the next poses are there"


def test_frames_of_a_live_source_that_were_replaced_count_as_dropped():
    pose, kept = Scripted(0.012), Kept()
    outcome = pipeline(Frames(100, live=True, pause_s=0.003), pose, Slow(0), kept).run()
    assert outcome.frames < 60 and 98 <= outcome.frames + outcome.dropped <= 100
    assert pose.looked == sorted(pose.looked) and pose.looked[-1] >= 95


def test_a_blocking_sink_slows_nothing_down_and_misses_no_event(action):
    slow, quick, release = Kept(), Kept(), threading.Event()
    slow.busy = release.wait
    workers = worker(slow, "slow", images=True), worker(quick, "quick", images=True)
    running = pipeline(Frames(100, live=True, pause_s=0.005), Scripted(), action, *workers)
    # Released when all frames are processed: if the loop waited for the sink, that would never happen.
    ended = running._done.set
    running._done.set = lambda: (ended(), release.set())
    outcome = running.run()
    assert outcome.frames > 10 and len(quick.results) > len(slow.results) == 2
    kinds = [event.kind for result in slow.results for event in result.events]
    assert kinds.count("person_entered") == 1
    # Every result is either received or counted as dropped.
    assert outcome.dropped_by_sink["slow"] == outcome.frames - 2
    assert outcome.dropped_by_sink.get("quick", 0) == outcome.frames - len(quick.results)


def test_a_hanging_sink_is_abandoned_and_named(action, monkeypatch):
    monkeypatch.setattr("edge.sinks.sink_worker.CLOSE_TIMEOUT_S", 0.2)
    hanging, other, release = Kept(), Kept(), threading.Event()
    hanging.busy = release.wait
    source = Frames(50, live=True, pause_s=0.002)
    outcome = pipeline(source, Scripted(), action, worker(hanging), worker(other)).run()
    assert outcome.frames == len(other.results) > 1 and outcome.hanging == ("test",) and other.left == "well"
    release.set()


def test_the_frame_rate_is_that_of_the_frames_not_of_a_broker_that_takes_long_to_close(action):
    class Broker(Kept):
        @contextmanager
        def opened(self):
            with super().opened() as take:
                yield take
            time.sleep(0.5)

    frames, events = Kept(), Broker()
    slow = worker(events, "mqtt", kind="events")
    start = time.perf_counter()
    outcome = pipeline(Frames(5), Scripted(), action, worker(frames), slow).run()
    assert time.perf_counter() - start > 0.5 > outcome.seconds and len(frames.results) == 5
    assert "person_entered" in {event.kind for event in events.results}


@pytest.mark.parametrize(
    ("limits", "frames"),
    [((None, None), 50), ((7, None), 7), ((None, 1.0), 26), ((5, 1.0), 5), ((900, 900.0), 50), ((None, 1e308), 50)],
)
def test_limits_end_the_run(action, limits, frames):
    source = Frames(50)
    given = Limits(*limits)
    assert pipeline(source, Scripted(), action, limits=given).run().frames == frames
    assert given.total(source) in (frames, frames - 1)
    # How many of a camera's frames will be dropped is not known.
    assert given.total(Frames(50, live=True)) == limits[0]


def test_a_frame_limit_counts_processed_frames_of_a_live_source_not_dropped_ones(action):
    # Five frames arrive while one is processed; if all counted, the run would end with the second.
    source, pose = Frames(10_000, live=True, pause_s=0.002), Scripted(0.010)
    outcome = pipeline(source, pose, action, limits=Limits(frames=8)).run()
    assert outcome.frames == len(pose.looked) == 8 and source.cancelled
    assert outcome.dropped > 7


class Timed(Scripted):
    """Reports a latency of 7 ms."""

    def estimate(self, frame):
        return replace(super().estimate(frame), latency_ms={POSE: 7.0})


class TimedActions(Slow):
    """Reports latencies of 2 and 3 ms."""

    def process(self, pose):
        result = super().process(pose)
        return replace(result, latency_ms={**result.latency_ms, TRACK: 2.0, RECOGNISE: 3.0})


def test_latencies_cover_every_stage_and_add_up_with_waiting():
    history, pose, kept = LatencyHistory(0), Timed(0.01), Kept()
    pipeline(Frames(30, pause_s=0.003), pose, TimedActions(0.002), kept, history=history).run()
    for spent_ms in (result.latency_ms for result in kept.results):
        assert spent_ms[WAITING] + 7 + 2 + 3 == pytest.approx(spent_ms[DECISION])
    rows = history.summary()
    assert rows[CAPTURE].p50_ms > 3, "reading a frame takes that long"
    assert rows[CAPTURE].count == rows[DECISION].count == 30
    # A frame of a recording waits while the previous one is processed, and is then processed itself.
    looked_ms = 1000 * float(np.median(pose.busy.took_s))
    assert rows[WAITING].p50_ms <= rows[DECISION].p50_ms and rows[DECISION].p50_ms > 1.5 * looked_ms
