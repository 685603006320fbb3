"""The loop's heart: a picture in, people with their actions out."""

from __future__ import annotations

from edge.clip_buffer import ClipBuffer
from edge.contract.bundle import Bundle
from edge.contract.errors import LayoutError
from edge.contract.layouts import JointLayout, convert, mapping
from edge.contract.types import Action, Float32, Frame, FrameResult, Person
from edge.latency import POSE, RECOGNISE, TRACK, StageTimer
from edge.pose.estimator import PoseEstimator
from edge.recogniser import Recogniser
from edge.tracker import Tracker

ALMOST_S = 1e-3
"""Times of thirty frames a second never add up to the next decision exactly."""


class Loop:
    """Keeps who is in view, what each did lately and what was decided about it.

    decisions_hz: how often everybody in view is decided about, by the source's clock; between
    decisions the last one stands. min_fill: part of a clip, 0..1, that must have been observed.
    Raises LayoutError where the bundle's joints cannot all be had from the estimator's.
    """

    def __init__(
        self,
        bundle: Bundle,
        estimator: PoseEstimator,
        tracker: Tracker,
        recogniser: Recogniser,
        timer: StageTimer,
        *,
        decisions_hz: float,
        min_fill: float,
    ) -> None:
        check_mapping(estimator.layout, bundle.layout)
        self._layout, self._how = bundle.layout, bundle.manifest.preprocessing
        self._estimator, self._tracker, self._recogniser = estimator, tracker, recogniser
        self._timer, self._period_s, self._min_fill = timer, 1 / decisions_hz, min_fill
        self._due_s = 0.0
        self._buffers: dict[int, ClipBuffer] = {}
        self._actions: dict[int, Action | None] = {}
        self.frames_with_poses = 0

    def step(self, frame: Frame) -> FrameResult:
        """One turn. Frames come in order; raises what estimator and recogniser raise."""
        networks_s = self._estimator.network_s + self._recogniser.network_s
        with self._timer.stage(POSE):
            poses = self._estimator.estimate(frame.image)
        self.frames_with_poses += bool(poses)
        with self._timer.stage(TRACK):
            found = self._tracker.update(poses, frame.time_s)
            self._remember([(n, convert(p.keypoints, self._estimator.layout, self._layout)) for n, p in found], frame)
            fills = {track_id: self._buffers[track_id].fill for track_id, _ in found}
        ready = [track_id for track_id, fill in fills.items() if fill >= self._min_fill]
        if ready and frame.time_s >= self._due_s - ALMOST_S:
            with self._timer.stage(RECOGNISE):
                self._actions.update(self._recogniser.recognise({n: self._buffers[n].clip() for n in ready}))
            late_s = frame.time_s - self._due_s
            self._due_s = (self._due_s if late_s < self._period_s else frame.time_s) + self._period_s
        self._timer.add_sums(self._estimator.network_s + self._recogniser.network_s - networks_s)
        people = tuple(
            Person(track_id, pose, fills[track_id], self._actions.get(track_id) if track_id in ready else None)
            for track_id, pose in found
        )
        return FrameResult(frame, people, dict(self._timer.current))

    def _remember(self, bodies: list[tuple[int, Float32]], frame: Frame) -> None:
        for track_id, keypoints in bodies:
            if track_id not in self._buffers:
                self._buffers[track_id] = ClipBuffer(self._layout, self._how)
            self._buffers[track_id].push(keypoints, frame.time_s)
        followed = self._tracker.track_ids
        for gone in self._buffers.keys() - followed:
            del self._buffers[gone]
            self._actions.pop(gone, None)
        self._recogniser.keep(followed)


def check_mapping(given: JointLayout, wanted: JointLayout) -> None:
    """LayoutError unless every joint that is wanted can be had: a network would read its absence as a posture."""
    rules = mapping(given, wanted)
    lacking = [joint for joint, rule in zip(wanted.joints, rules, strict=True) if rule is None]
    if lacking:
        raise LayoutError(
            f"the bundle reads {wanted.name}, and the estimator's {given.name} gives no {', '.join(lacking)}",
            hint="choose another pose estimator, or train the student on a layout this one gives",
        )
