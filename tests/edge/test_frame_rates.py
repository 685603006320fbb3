"""The label does not depend on the frame rate: real recordings resampled to 12, 25 and 60 frames per second.

``PYTHONPATH=. python tests/edge/test_frame_rates.py SET DATA [STEP [FIRST...]]`` measures it on test clips FIRST,
FIRST + STEP, ... of penn_action, utd_mhad or generated; benchmarks/loop.md has the figures.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from edge.contract.bundle import Bundle, read_bundle
from edge.contract.layouts import convert, layout
from edge.contract.preprocess import resample
from edge.contract.types import Frame, Pose, PoseResult
from edge.loop.action_stage import ActionStage
from edge.loop.restarts import Restartable, RestartConfig
from edge.recognition.decisions import DecisionConfig
from edge.recognition.recogniser import Recogniser, RecogniserConfig, open_recogniser
from edge.tracking.tracker import Tracker
from train.data.cameras import View
from train.data.clip import SkeletonClip
from train.data.generated.kinematic import make_kinematic
from train.data.readers.everyday import GENERATED, GENERATED_PER_CLASS
from train.data.readers.utd_mhad import read_utd_mhad

BUNDLE = Path(__file__).parents[2] / "bundles" / "everyday"
RATES = (12.0, 25.0, 60.0)
RECORDED_FPS = 30.0
PENN = layout("penn-13")
SHORTEST = 2 * RECORDED_FPS
IN_FRONT = View((0.0, 0.0, 3.5))
IMAGE = np.zeros((1, 1, 3), np.uint8)


def penn_action(data: Path) -> Iterator[np.ndarray]:
    """Test clips of Penn Action of two seconds or more: (S, 13, 3), score 1 for visible joints, else 0."""
    with np.load(data / "penn_action.npz") as arrays:
        xy, seen, lengths, train = (arrays[name] for name in ("xy", "vis", "length", "train"))
    ends = np.cumsum(lengths)
    for n in np.flatnonzero((train == 0) & (lengths >= SHORTEST)):
        at = slice(ends[n] - lengths[n], ends[n])
        score = (seen[at] > 0) & (xy[at] != 1).any(-1)
        yield np.concatenate([xy[at], score[..., None]], axis=-1).astype(np.float32)


def utd_mhad(data: Path) -> Iterator[np.ndarray]:
    """The same of UTD-MHAD, projected into a camera in front of the person. The loop was never tuned on these."""
    return _filmed(read_utd_mhad(data).part(train=False))


def generated(data: Path) -> Iterator[np.ndarray]:
    """The same of generated people who walk or jog through the image, or stand. Needs no data."""
    people = make_kinematic(GENERATED_PER_CLASS, seed=0)
    return _filmed(clip for clip in people.part(train=False) if people.classes[clip.label] in GENERATED)


def _filmed(clips: Iterable[SkeletonClip]) -> Iterator[np.ndarray]:
    for clip in clips:
        if clip.joints.shape[1] >= SHORTEST:
            yield convert(IN_FRONT.keypoints(clip)[0], layout("kinect-20"), PENN)


SETS: dict[str, Callable[[Path], Iterator[np.ndarray]]] = {of.__name__: of for of in (penn_action, utd_mhad, generated)}


def label(recogniser: Recogniser, bundle: Bundle, keypoints: np.ndarray, fps: float) -> str | None:
    """The loop's label at the end of a recording, resampled to the frame rate ``fps``."""
    times = np.arange(len(keypoints)) / RECORDED_FPS
    at = np.arange(0, times[-1] + 1e-9, 1 / fps)
    bodies = resample(keypoints, times, at, max_gap_s=0.5)
    student = Restartable("action", lambda: recogniser, RestartConfig(), print)
    stage = ActionStage(bundle, PENN, Tracker(PENN), student, DecisionConfig())
    last = None
    for n, (body, time_s) in enumerate(zip(bodies, at, strict=True)):
        result = stage.process(PoseResult(Frame(n, float(time_s), IMAGE), (Pose(body, 1.0),)))
        for person in result.people:
            last = person.action.label if person.action else None
    return last


def agreement(clips: Iterable[np.ndarray]) -> tuple[int, float]:
    """Number of clips, and the share of them in which all rates gave the same label."""
    bundle = read_bundle(BUNDLE)
    recogniser = open_recogniser(bundle, RecogniserConfig(threads=1))
    same = [len({label(recogniser, bundle, clip, fps) for fps in RATES}) == 1 for clip in clips]
    return len(same), float(np.mean(same))


def test_the_label_does_not_depend_on_the_frame_rate(shared_data):
    clips, same = agreement(islice(penn_action(shared_data), 0, None, 20))
    assert clips >= 20 and same >= 0.9  # over all clips it is above 0.95; these are few


if __name__ == "__main__":
    of, data = SETS[sys.argv[1]], Path(sys.argv[2])
    step = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    for first in map(int, sys.argv[4:] or ["0"]):
        count, part = agreement(islice(of(data), first, None, step))
        rates = ", ".join(f"{fps:g}" for fps in RATES)
        print(f"from {first}: {count} clips, {100 * part:.1f} % the same at {rates} frames per second", flush=True)
