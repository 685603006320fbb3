"""A slow and a fast camera see the same action: real recordings, as cameras of 12, 25 and 60 frames a second would.

``python tests/edge/test_frame_rates.py DATA [STEP [FIRST...]]`` measures it on test clips FIRST, FIRST + STEP, ...;
benchmarks/loop.md has the figures.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.contract.bundle import Bundle, read_bundle
from edge.contract.layouts import layout
from edge.contract.preprocess import resample
from edge.contract.types import Frame, Pose, Sighting
from edge.decisions import DecisionConfig
from edge.loop.action_stage import ActionStage
from edge.loop.restarts import RestartConfig, Restarted
from edge.recogniser import Recogniser, RecogniserConfig, open_recogniser
from edge.tracker import Tracker

BUNDLE = Path(__file__).parents[2] / "bundles" / "everyday"
RATES = (12.0, 25.0, 60.0)
RECORDED_FPS = 30.0
PENN = layout("penn-13")
IMAGE = np.zeros((1, 1, 3), np.uint8)


def recordings(data: Path, step: int, first: int) -> Iterator[np.ndarray]:
    """Every ``step``-th test clip of Penn Action of two seconds or more, from ``first`` on: (S, 13, 3), seen or not."""
    with np.load(data / "penn_action.npz") as arrays:
        xy, seen, lengths, train = (arrays[name] for name in ("xy", "vis", "length", "train"))
    ends = np.cumsum(lengths)
    chosen = np.flatnonzero((train == 0) & (lengths >= 2 * RECORDED_FPS))[first::step]
    for n in chosen:
        at = slice(ends[n] - lengths[n], ends[n])
        score = (seen[at] > 0) & (xy[at] != 1).any(-1)
        yield np.concatenate([xy[at], score[..., None]], axis=-1).astype(np.float32)


def label(recogniser: Recogniser, bundle: Bundle, keypoints: np.ndarray, fps: float) -> str | None:
    """What the loop says at the end of a recording that a camera of that rate made."""
    times = np.arange(len(keypoints)) / RECORDED_FPS
    at = np.arange(0, times[-1] + 1e-9, 1 / fps)
    bodies = resample(keypoints, times, at, max_gap_s=0.5)
    restarted = Restarted("action", lambda: recogniser, RestartConfig(), print)
    stage = ActionStage(bundle, PENN, Tracker(PENN), restarted, DecisionConfig())
    said = None
    for n, (body, time_s) in enumerate(zip(bodies, at, strict=True)):
        result = stage.act(Sighting(Frame(n, float(time_s), IMAGE), (Pose(body, 1.0),)))
        for person in result.people:
            said = person.action.label if person.action else None
    return said


def agreement(data: Path, step: int, first: int = 0) -> tuple[int, float]:
    """How many clips, and in which part of them all rates gave the same label."""
    bundle = read_bundle(BUNDLE)
    recogniser = open_recogniser(bundle, RecogniserConfig(threads=1))
    same = [len({label(recogniser, bundle, clip, fps) for fps in RATES}) == 1 for clip in recordings(data, step, first)]
    return len(same), float(np.mean(same))


def test_the_label_does_not_depend_on_the_cameras_rate(shared_data):
    clips, same = agreement(shared_data, 20)
    assert clips >= 20 and same >= 0.9  # all clips give more than 0.95; these are few


if __name__ == "__main__":
    step = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for start in map(int, sys.argv[3:] or ["0"]):
        count, part = agreement(Path(sys.argv[1]), step, start)
        rates = ", ".join(f"{fps:g}" for fps in RATES)
        print(f"from {start}: {count} clips, {100 * part:.1f} % the same at {rates} frames a second", flush=True)
