"""The camera loop once over a source, with nothing drawn or written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.command_line import print_warning
from edge.contract.bundle import read_bundle
from edge.latency import Latency, LatencyHistory
from edge.loop.action_stage import ActionStage
from edge.loop.pose_stage import EstimatorStage
from edge.loop.restarts import Restarted
from edge.pose.registry import open_estimator
from edge.run import RunConfig
from edge.streaming.choice import open_student
from edge.tracker import Tracker

if TYPE_CHECKING:
    from edge.contract.types import FrameResult


@dataclass(frozen=True)
class LoopRun:
    """stages: as :meth:`edge.latency.LatencyHistory.summary` has them. parts: what ran, by name."""

    frames: int
    seconds: float
    dropped: int
    failed: int
    stages: dict[str, Latency]
    parts: dict[str, str]

    @property
    def frames_per_s(self) -> float:
        return self.frames / self.seconds


def loop_run(
    config: RunConfig, warm_up_frames: int, on_result: Callable[[FrameResult], None] = lambda result: None
) -> LoopRun:
    """One run of the loop that ``python -m edge run`` is, without outlets. Raises what that raises."""
    from edge.capture.registry import open_source
    from edge.capture.replay import Replay
    from edge.loop.pipeline import Limits, Pipeline

    with ExitStack() as stack:
        bundle = read_bundle(config.bundle)
        source = open_source(config.source, config.capture)
        stack.callback(source.close)
        recogniser = Restarted(
            "action",
            lambda: open_student(bundle, config.recogniser, config.decisions),
            config.restarts,
            print_warning,
        )
        stack.callback(recogniser.close)
        pose = (
            source.pose_stage()
            if isinstance(source, Replay)
            else EstimatorStage(Restarted("pose", lambda: open_estimator(config.pose), config.restarts, print_warning))
        )
        stack.callback(pose.close)
        parts = {"source": source.describe(), "pose": pose.describe(), "student": recogniser.part().describe()}
        action = ActionStage(bundle, pose.layout, Tracker(pose.layout, config.tracker), recogniser, config.decisions)
        history = LatencyHistory(warm_up_frames)
        limits = Limits(config.frames, config.limit_s)
        played = Pipeline(
            source, pose, action, (), history, limits=limits, on_result=on_result, warn=print_warning
        ).run()
    if played.ended_by is not None:
        raise played.ended_by
    return LoopRun(played.frames, played.seconds, played.dropped, played.failed, history.summary(), parts)
