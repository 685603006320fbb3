"""Open the parts of the loop that a configuration names, and close them together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from edge.capture.source import Source
from edge.cli.console import console, print_warning
from edge.contract.bundle import Bundle, read_bundle
from edge.loop.action_stage import ActionStage
from edge.loop.config import RunConfig
from edge.loop.malloc import mmap_large_allocations
from edge.loop.pose_stage import EstimatorStage, PoseStage
from edge.loop.required_outputs import require_outputs
from edge.loop.restarts import Restartable
from edge.pose.registry import open_estimator
from edge.recognition.form import Student, open_student
from edge.sinks.window import Window, open_window
from edge.tracking.tracker import Tracker


@dataclass(frozen=True)
class Parts:
    """window: None if none is wanted. student: the one that the action stage was opened with; after a failure it uses a
    new one."""

    bundle: Bundle
    source: Source
    window: Window | None
    pose: PoseStage
    student: Student
    action: ActionStage

    def describe(self) -> dict[str, str]:
        """One phrase about each part, for reports."""
        return {"source": self.source.describe(), "pose": self.pose.describe(), "student": self.student.describe()}

    def introduce(self, self_test: bool) -> None:
        """Print the description. self_test: raise EngineError for a student that is not the bundle's."""
        for name, description in self.describe().items():
            console.print(f"{name:8} {description}")
        if self_test:
            self.student.self_test(self.bundle).require(self.student.describe())


@contextmanager
def open_parts(config: RunConfig, source: Source | None = None) -> Iterator[Parts]:
    """Open the parts, and close them when the block is left. Raises what opening raises.

    Outputs that cannot be written or shown are refused before a network is loaded, which takes seconds.
    source: used instead of ``config.source``; closed as well.
    """
    # Imports OpenCV, which would slow down `--help`.
    from edge.capture.registry import open_source

    mmap_large_allocations()
    with ExitStack() as stack:
        bundle = read_bundle(config.bundle)
        source = source or open_source(config.source, config.capture)
        stack.callback(source.close)
        require_outputs(config, source)
        window = stack.enter_context(open_window()) if config.sinks.show else None
        recogniser = Restartable(
            "action", lambda: open_student(bundle, config.recogniser, config.decisions), config.restarts, print_warning
        )
        stack.callback(recogniser.close)
        pose = _pose_stage(source, config)
        stack.callback(pose.close)
        tracker = Tracker(pose.layout, config.tracker)
        action = ActionStage(bundle, pose.layout, tracker, recogniser, config.decisions, config.people)
        yield Parts(bundle, source, window, pose, recogniser.get(), action)


def _pose_stage(source: Source, config: RunConfig) -> PoseStage:
    from edge.capture.replay import Replay

    if isinstance(source, Replay):
        return source.pose_stage()
    return EstimatorStage(Restartable("pose", lambda: open_estimator(config.pose), config.restarts, print_warning))
