"""The action stage: tracks the poses of each frame and recognises each person's action."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from edge.contract.bundle import Bundle
from edge.contract.errors import LayoutError
from edge.contract.layouts import JointLayout, mapping
from edge.contract.types import TIME_TOLERANCE_S, Action, Event, Float32, FrameResult, Person, Pose, PoseResult
from edge.latency import NETWORKS, OUTSIDE, POSE, RECOGNISE, TRACK, timed
from edge.loop.event_detector import EventDetector
from edge.loop.joint_dropout import JointDropout
from edge.loop.restarts import Restartable
from edge.recognition.clip_buffer import ClipBuffer
from edge.recognition.decisions import DecisionConfig, Decisions, calibrated_min_score
from edge.recognition.form import Student
from edge.recognition.pairing import most_interacting
from edge.recognition.recogniser import Recogniser
from edge.recognition.streaming.recogniser import StreamRecogniser
from edge.tracking.following import Follower, PeopleConfig
from edge.tracking.tracker import Tracker


@dataclass
class _Track:
    """What is known about a tracked person.

    fill: observed part of the clip, or of the stream, which a gap resets to 0; when last in view. decided_period: the
    period of the last decision of a stream.
    """

    buffer: ClipBuffer
    fill: float = 0.0
    action: Action | None = None
    decided_period: int | None = None


class ActionStage:
    """Tracker, clip buffers, recogniser, decisions and events of one run.

    layout: joints of the poses. Raises LayoutError if it lacks joints that the bundle needs.
    """

    def __init__(
        self,
        bundle: Bundle,
        layout: JointLayout,
        tracker: Tracker,
        recogniser: Restartable[Student],
        config: DecisionConfig,
        people: PeopleConfig | None = None,
    ) -> None:
        check_mapping(layout, bundle.layout)
        self._pose_layout, self._clip_layout = layout, bundle.layout
        self._preprocessing = bundle.manifest.preprocessing
        self._tracker, self._recogniser, self._config = tracker, recogniser, config
        self._decisions = Decisions(bundle.manifest.classes, config, calibrated_min_score(bundle))
        self._follower = Follower(people or PeopleConfig())
        self._clip_shape = bundle.manifest.input_shape[1:]
        self._is_streaming = isinstance(recogniser.get(), StreamRecogniser)
        self._events, self._dropout = EventDetector(), JointDropout(len(layout))
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
        clip_end_s = self._clip_end_s(time_s)
        if self._is_streaming or (clip_end_s is not None and self._ready(followed)):
            with timed(latency_ms, RECOGNISE):
                try:
                    network_s += self._decide([track_id for track_id, _ in found], followed, clip_end_s)
                except Exception as error:  # noqa: BLE001 as in the pose stage
                    failure = self._recogniser.record_failure(error)
        self._frames += 1
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
        self._recogniser.close()

    def _ready(self, track_ids: Iterable[int]) -> list[int]:
        """Those whose clip is filled enough for a decision."""
        return [track_id for track_id in track_ids if self._tracks[track_id].fill >= self._config.min_fill]

    def _clip_end_s(self, time_s: float) -> float | None:
        """End time of the clips to recognise with this frame; None if no decision is due.

        A decision is due with the first frame of each period of the source's clock. Its clips end at the start of the
        period, between this frame and the previous one, so that cameras of all frame rates are sampled alike.
        """
        if self._config.stride_frames is not None:
            return time_s if self._frames % self._config.stride_frames == 0 else None
        period = int((time_s + TIME_TOLERANCE_S) * self._config.hz)
        is_first, self._period = period != self._period, period
        return min(period / self._config.hz, time_s) if is_first else None

    def _clips(self, track_ids: list[int], others: list[int], end_s: float) -> list[Float32]:
        """One clip (C, T, V, M) per track id. With M = 2 the two people who interact most are each other's second body.

        others: candidates for the second body.
        """
        clips = {track_id: np.zeros(self._clip_shape, np.float32) for track_id in track_ids}
        pair = None
        if self._clip_shape[-1] > 1:
            moments = {track_id: self._tracks[track_id].buffer.resampled(end_s) for track_id in others}
            one = self._follower.track_id
            pair = most_interacting(moments, among=None if one is None else {one})
        for track_id, clip in clips.items():
            partner = [n for n in pair if n != track_id] if pair and track_id in pair else []
            second = self._tracks[partner[0]].buffer if partner else None
            bodies = self._tracks[track_id].buffer.clip(second, end_s)
            clip[..., : bodies.shape[-1]] = bodies
        return list(clips.values())

    def _decide(self, in_view: list[int], followed: Collection[int], end_s: float | None) -> float:
        """Recognise the actions of the people followed. Returns the seconds spent inside the network."""
        student = self._recogniser.get()
        before_s = student.network_s
        chosen = [track_id for track_id in in_view if track_id in followed]
        if isinstance(student, StreamRecogniser):
            self._advance(student, chosen)
        elif end_s is not None:
            self._recognise(student, self._ready(chosen), self._ready(in_view), end_s)
        return student.network_s - before_s

    def _recognise(self, student: Recogniser, track_ids: list[int], others: list[int], end_s: float) -> None:
        probabilities = student.recognise(self._clips(track_ids, others, end_s))
        for track_id, row in zip(track_ids, probabilities, strict=True):
            self._tracks[track_id].action = self._decisions.decide(track_id, row)

    def _advance(self, student: StreamRecogniser, track_ids: list[int]) -> None:
        """Feed new frames to the streams, and decide where that completes a cycle.

        A person gets one decision per period, from the first output in it.
        """
        stride = self._config.stride_frames
        period = self._period if stride is None else self._frames // stride
        student.keep(self._tracker.track_ids)
        for track_id in track_ids:
            track = self._tracks[track_id]
            row = student.advance(track_id, track.buffer)
            track.fill = student.fill(track_id)
            if row is not None and track.fill >= self._config.min_fill and track.decided_period != period:
                track.decided_period, track.action = period, self._decisions.decide(track_id, row)

    def _people(self, found: list[tuple[int, Pose]], followed: Collection[int]) -> tuple[Person, ...]:
        """The people in view; those followed, and observed long enough, with their action."""
        ready, people = self._ready(followed), []
        for track_id, pose in found:
            track = self._tracks[track_id]
            action = track.action if track_id in ready else None
            people.append(Person(track_id, pose, track.fill, action, track_id in followed))
        return tuple(people)

    def _buffer_poses(self, found: list[tuple[int, Pose]], time_s: float) -> None:
        """Append the poses to their clip buffers, and forget lost tracks."""
        for track_id, pose in found:
            if track_id not in self._tracks:
                buffer = ClipBuffer(self._clip_layout, self._preprocessing, self._pose_layout)
                self._tracks[track_id] = _Track(buffer)
                for keypoints, when_s in self._tracker.earlier(track_id):
                    buffer.push(keypoints, when_s)
            track = self._tracks[track_id]
            track.buffer.push(pose.keypoints, time_s)
            track.fill = track.buffer.fill
        tracked = self._tracker.track_ids
        for lost in self._tracks.keys() - tracked:
            del self._tracks[lost]
        self._decisions.keep(tracked)


def _failure_event(time_s: float, failure: str) -> Event:
    return Event("stage_failed", time_s, text=failure)


def check_mapping(source: JointLayout, target: JointLayout) -> None:
    """Raise LayoutError if ``source`` lacks a joint of ``target``: the network would read its zeros as a position."""
    rules = mapping(source, target)
    missing = [joint for joint, rule in zip(target.joints, rules, strict=True) if rule is None]
    if missing:
        raise LayoutError(
            f"the bundle needs {target.name}, but the estimator's {source.name} has no {', '.join(missing)}",
            hint="choose another pose estimator, or train the student on a layout that this one provides",
        )
