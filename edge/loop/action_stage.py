"""The action stage: tracks the poses of each frame and recognises each person's action."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edge.contract.bundle import Bundle
from edge.contract.errors import LayoutError
from edge.contract.layouts import JointLayout, mapping
from edge.contract.types import TIME_TOLERANCE_S, Action, Event, FrameResult, Person, Pose, PoseResult
from edge.latency import NETWORKS, OUTSIDE, POSE, RECOGNISE, TRACK, timed
from edge.loop.event_detector import EventDetector
from edge.loop.joint_dropout import JointDropout
from edge.loop.restarts import Restartable
from edge.recognition.clip_buffer import ClipBuffer
from edge.recognition.decisions import DecisionConfig, Decisions, calibrated_min_score
from edge.recognition.form import Student
from edge.tracking.following import Follower, PeopleConfig
from edge.tracking.tracker import Tracker


@dataclass
class _Track:
    """What is known about a tracked person.

    fill: observed part, 0..1, of what the student reads; a gap resets a stream. period: of the last decision.
    """

    buffer: ClipBuffer
    decisions: Decisions
    fill: float = 0.0
    action: Action | None = None
    period: int | None = None


class ActionStage:
    """Tracker, clip buffers, student, decisions and events of one run.

    layout: joints of the poses. Raises LayoutError if it lacks joints that the bundle needs.
    """

    def __init__(
        self,
        bundle: Bundle,
        layout: JointLayout,
        tracker: Tracker,
        student: Restartable[Student],
        config: DecisionConfig,
        people: PeopleConfig | None = None,
    ) -> None:
        read = joints_read(layout, bundle.layout)
        self._bundle, self._pose_layout = bundle, layout
        self._tracker, self._student, self._config = tracker, student, config
        self._min_score = calibrated_min_score(bundle)
        self._follower = Follower(people or PeopleConfig())
        self._reads_every_frame = student.get().every_frame
        self._events, self._dropout = EventDetector(), JointDropout(len(layout), read)
        self._period, self._frames = -1, 0
        self._tracks: dict[int, _Track] = {}

    def process(self, pose_result: PoseResult) -> FrameResult:
        """Process the next frame, in order. Raises StageError when the restart budget is spent.

        After a failure of the pose stage the tracks stay as they are: nobody enters or leaves.
        """
        frame, time_s, failure = pose_result.frame, pose_result.frame.time_s, pose_result.failure
        latency_ms, network_s = dict(pose_result.latency_ms), pose_result.network_s
        if failure is not None:
            events: tuple[Event, ...] = (_failure_event(time_s, failure),)
            following = self._follower.following
            return FrameResult(frame, (), latency_ms, (), failure, events, following=following, pose_failed=True)
        with timed(latency_ms, TRACK):
            found = self._tracker.update(pose_result.poses, time_s)
            self._buffer_poses(found, time_s)
            height, width = frame.image.shape[:2]
            followed, changed = self._follower.update(found, self._tracker.track_ids, (width, height))
        in_view, is_due = [track_id for track_id, _ in found], self._begins_period(time_s)
        asked = [n for n in in_view if n in followed and (self._reads_every_frame or (is_due and self._is_ready(n)))]
        if asked:
            with timed(latency_ms, RECOGNISE):
                try:
                    network_s += self._recognise(in_view, asked, time_s)
                except Exception as error:  # noqa: BLE001 as in the pose stage
                    failure = self._student.record_failure(error)
        spent_ms = sum(latency_ms.get(stage, 0.0) for stage in (POSE, TRACK, RECOGNISE))
        latency_ms |= {NETWORKS: 1000 * network_s, OUTSIDE: spent_ms - 1000 * network_s}
        people = self._people(found, followed)
        events = self._events.update(people, self._tracker.track_ids, time_s)
        if changed:
            events = (*events, Event("person_followed", time_s, self._follower.track_id))
        if failure is not None:
            events = (*events, _failure_event(time_s, failure))
        dropout = self._dropout.update([pose for _, pose in found], time_s)
        following = self._follower.following
        return FrameResult(frame, people, latency_ms, pose_result.poses, failure, events, dropout, following)

    def finish(self) -> tuple[Event, ...]:
        """After the last frame: the events that end every action and person."""
        return self._events.finish()

    def close(self) -> None:
        self._student.close()

    def _buffer_poses(self, found: list[tuple[int, Pose]], time_s: float) -> None:
        """Append the poses to their clip buffers, and forget lost tracks."""
        manifest = self._bundle.manifest
        for track_id, pose in found:
            if track_id not in self._tracks:
                buffer = ClipBuffer(self._bundle.layout, manifest.preprocessing, self._pose_layout)
                decisions = Decisions(manifest.classes, self._config, self._min_score)
                self._tracks[track_id] = _Track(buffer, decisions)
                for keypoints, when_s in self._tracker.earlier(track_id):
                    buffer.push(keypoints, when_s)
            track = self._tracks[track_id]
            track.buffer.push(pose.keypoints, time_s)
            track.fill = track.buffer.fill
        for lost in self._tracks.keys() - self._tracker.track_ids:
            del self._tracks[lost]

    def _begins_period(self, time_s: float) -> bool:
        """Whether this is the first frame of a period of time, or of a number of frames, which has one decision."""
        before, stride = self._period, self._config.stride_frames
        if stride is None:
            self._period = int((time_s + TIME_TOLERANCE_S) * self._config.hz)
        else:
            self._period, self._frames = self._frames // stride, self._frames + 1
        return self._period != before

    def _is_ready(self, track_id: int) -> bool:
        """Whether enough of this person was observed for a decision."""
        return self._tracks[track_id].fill >= self._config.min_fill

    def _recognise(self, in_view: list[int], asked: list[int], time_s: float) -> float:
        """Let the student read, and decide, once per period. Returns the seconds spent inside the network.

        Clips end at the start of the period, between this frame and the previous one, so that cameras of all frame
        rates are sampled alike.
        """
        student = self._student.get()
        before_s = student.network_s
        end_s = time_s if self._config.stride_frames is not None else min(self._period / self._config.hz, time_s)
        buffers = {n: self._tracks[n].buffer for n in in_view if n in asked or self._is_ready(n)}
        for track_id, fill, probabilities in student.read(buffers, asked, end_s):
            track = self._tracks[track_id]
            track.fill = fill
            if probabilities is not None and self._is_ready(track_id) and track.period != self._period:
                track.period, track.action = self._period, track.decisions.decide(probabilities)
        return student.network_s - before_s

    def _people(self, found: list[tuple[int, Pose]], followed: Collection[int]) -> tuple[Person, ...]:
        """The people in view; those followed, and observed long enough, with their action."""
        people = []
        for track_id, pose in found:
            track, is_followed = self._tracks[track_id], track_id in followed
            action = track.action if is_followed and self._is_ready(track_id) else None
            people.append(Person(track_id, pose, track.fill, action, is_followed))
        return tuple(people)


def _failure_event(time_s: float, failure: str) -> Event:
    return Event("stage_failed", time_s, text=failure)


def joints_read(source: JointLayout, target: JointLayout) -> frozenset[int]:
    """Joints of ``source`` from which those of ``target`` are derived.

    Raises LayoutError if ``source`` lacks a joint of ``target``: the network would read its zeros as a position.
    """
    rules = mapping(source, target)
    if missing := [joint for joint, rule in zip(target.joints, rules, strict=True) if rule is None]:
        raise LayoutError(
            f"the bundle needs {target.name}, but the estimator's {source.name} has no {', '.join(missing)}",
            hint="choose another pose estimator, or train the student on a layout that this one provides",
        )
    return frozenset(source.index(*(joint for rule in rules if rule is not None for joint in rule.joints)))
