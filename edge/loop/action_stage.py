"""The stage that decides: bodies in, people with their actions out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

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


class ActionStage:
    """Keeps who is in view, what each did lately and what was decided about it.

    layout: of the poses.
    Raises LayoutError where the bundle's joints cannot all be had from the estimator's.
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
        self._given, self._wanted, self._how = layout, bundle.layout, bundle.manifest.preprocessing
        self._tracker, self._recogniser, self._config = tracker, recogniser, config
        self._decisions = Decisions(bundle.manifest.classes, config, calibrated_min_score(bundle))
        self._follower = Follower(people or PeopleConfig())
        self._shape = bundle.manifest.input_shape[1:]
        self._streams = isinstance(recogniser.get(), StreamRecogniser)
        self._events, self._dropout = EventDetector(), JointDropout(len(layout))
        self._period, self._frames = -1, 0
        self._buffers: dict[int, ClipBuffer] = {}
        self._decided: dict[int, int] = {}
        self._actions: dict[int, Action] = {}

    def process(self, seen: PoseResult) -> FrameResult:
        """One turn. Sightings come in order; raises StageError when the budget of restarts is spent.

        A failed sighting says nothing about who is there: nobody comes, and nobody is lost.
        """
        if seen.failure is not None:
            broken = (_broken(seen.frame.time_s, seen.failure),)
            following = self._follower.following
            return FrameResult(
                seen.frame, (), seen.latency_ms, (), seen.failure, broken, following=following, pose_failed=True
            )
        latency_ms, network_s, time_s = dict(seen.latency_ms), seen.network_s, seen.frame.time_s
        with timed(latency_ms, TRACK):
            found = self._tracker.update(seen.poses, time_s)
            self._remember(found, time_s)
            fills = {track_id: self._buffers[track_id].fill for track_id, _ in found}
            height, width = seen.frame.image.shape[:2]
            followed, changed = self._follower.update(found, self._tracker.track_ids, (width, height))
        failure, moment_s = None, self._moment(time_s)
        if self._streams or (moment_s is not None and self._ready(fills, followed)):
            with timed(latency_ms, RECOGNISE):
                try:
                    network_s += self._decide(fills, followed, moment_s)
                except Exception as error:  # noqa: BLE001 as in the pose stage
                    failure = self._recogniser.record_failure(error)
        self._frames += 1
        spent_ms = sum(latency_ms.get(stage, 0.0) for stage in (POSE, TRACK, RECOGNISE))
        latency_ms |= {NETWORKS: 1000 * network_s, OUTSIDE: spent_ms - 1000 * network_s}
        people = self._people(found, fills, followed)
        events = self._events.update(people, self._tracker.track_ids, time_s)
        if changed:
            events = (*events, Event("person_followed", time_s, self._follower.track_id))
        if failure is not None:
            events = (*events, _broken(time_s, failure))
        dropout = self._dropout.update([pose for _, pose in found], time_s)
        following = self._follower.following
        return FrameResult(seen.frame, people, latency_ms, seen.poses, failure, events, dropout, following)

    def finish(self) -> tuple[Event, ...]:
        """The last frame was given: what ends with it."""
        return self._events.finish()

    def close(self) -> None:
        self._recogniser.close()

    def _ready(self, fills: Mapping[int, float], among: Collection[int]) -> list[int]:
        return [track_id for track_id in fills if track_id in among and fills[track_id] >= self._config.min_fill]

    def _moment(self, time_s: float) -> float | None:
        """When the clips end that are decided about with this frame; None where it is not time.

        With the first frame in each period of the source's clock they end where the period began, between this frame
        and the one before: cameras of all rates are asked about the same moments.
        """
        if self._config.stride_frames is not None:
            return time_s if self._frames % self._config.stride_frames == 0 else None
        period = int((time_s + TIME_TOLERANCE_S) * self._config.hz)
        is_first, self._period = period != self._period, period
        return min(period / self._config.hz, time_s) if is_first else None

    def _clips(self, track_ids: list[int], others: list[int], moment_s: float) -> list[Float32]:
        """A clip (C, T, V, M) each; where the student reads two bodies, the two that interact most share theirs.

        others: who may be the second body.
        """
        clips = {track_id: np.zeros(self._shape, np.float32) for track_id in track_ids}
        pair = None
        if self._shape[-1] > 1:
            moments = {track_id: self._buffers[track_id].moments(moment_s) for track_id in others}
            one = self._follower.track_id
            pair = most_interacting(moments, among=None if one is None else {one})
        for track_id, clip in clips.items():
            partner = [n for n in pair if n != track_id] if pair and track_id in pair else []
            bodies = self._buffers[track_id].clip(self._buffers[partner[0]] if partner else None, moment_s)
            clip[..., : bodies.shape[-1]] = bodies
        return list(clips.values())

    def _decide(self, fills: dict[int, float], followed: Collection[int], moment_s: float | None) -> float:
        """Decide about who is followed, in the form that the student has; seconds spent inside the network."""
        student = self._recogniser.get()
        busy_s = student.network_s
        if isinstance(student, StreamRecogniser):
            self._advance(student, fills, followed)
        elif moment_s is not None:
            self._recognise(student, self._ready(fills, followed), self._ready(fills, fills), moment_s)
        return student.network_s - busy_s

    def _recognise(self, student: Recogniser, track_ids: list[int], others: list[int], moment_s: float) -> None:
        probabilities = student.recognise(self._clips(track_ids, others, moment_s))
        for track_id, row in zip(track_ids, probabilities, strict=True):
            self._actions[track_id] = self._decisions.decide(track_id, row)

    def _advance(self, student: StreamRecogniser, fills: dict[int, float], followed: Collection[int]) -> None:
        """Give the streams what is new, and decide where that completes a cycle.

        fills: of the people in view; of those who are followed it becomes how much their streams have seen, which a
        gap sets back to nothing.
        A person is decided about once in each period, by the first answer in it.
        """
        stride = self._config.stride_frames
        period = self._period if stride is None else self._frames // stride
        student.keep(self._tracker.track_ids)
        for track_id in [n for n in fills if n in followed]:
            row = student.advance(track_id, self._buffers[track_id])
            fills[track_id] = student.fill(track_id)
            if row is not None and fills[track_id] >= self._config.min_fill and self._decided.get(track_id) != period:
                self._decided[track_id] = period
                self._actions[track_id] = self._decisions.decide(track_id, row)

    def _people(
        self, found: list[tuple[int, Pose]], fills: Mapping[int, float], followed: Collection[int]
    ) -> tuple[Person, ...]:
        """Those in view, with what was decided about whoever is followed and was seen long enough."""
        decided = {track_id: self._actions.get(track_id) for track_id in self._ready(fills, followed)}
        return tuple(
            Person(track_id, pose, fills[track_id], decided.get(track_id), track_id in followed)
            for track_id, pose in found
        )

    def _remember(self, found: list[tuple[int, Pose]], time_s: float) -> None:
        for track_id, pose in found:
            if track_id not in self._buffers:
                self._buffers[track_id] = ClipBuffer(self._wanted, self._how, self._given)
                for keypoints, when_s in self._tracker.earlier(track_id):
                    self._buffers[track_id].push(keypoints, when_s)
            self._buffers[track_id].push(pose.keypoints, time_s)
        tracked = self._tracker.track_ids
        for gone in self._buffers.keys() - tracked:
            del self._buffers[gone]
            self._actions.pop(gone, None)
            self._decided.pop(gone, None)
        self._decisions.keep(tracked)


def _broken(time_s: float, failure: str) -> Event:
    return Event("stage_failed", time_s, text=failure)


def check_mapping(given: JointLayout, wanted: JointLayout) -> None:
    """LayoutError unless every joint that is wanted can be had: a network would read its absence as a posture."""
    rules = mapping(given, wanted)
    lacking = [joint for joint, rule in zip(wanted.joints, rules, strict=True) if rule is None]
    if lacking:
        raise LayoutError(
            f"the bundle reads {wanted.name}, and the estimator's {given.name} gives no {', '.join(lacking)}",
            hint="choose another pose estimator, or train the student on a layout this one gives",
        )
