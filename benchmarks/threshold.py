"""Write the clips that the shipped bundle's threshold is calibrated on, and evaluate such thresholds on other clips.

    python -m benchmarks.threshold clips DATA
    python -m edge threshold --bundle bundles/everyday --clips runs/threshold/test.npz --right 0.97
    python -m benchmarks.threshold judge

Known actions: the student's test clips, never trained on, corrupted as in its test. They are split into two halves;
where the dataset names people, no person is in both. A threshold chosen on one half is evaluated on the other.
Strangers: exercises of UI-PRMD, recorded by the Kinect, that none of the classes describes: three that the student was
trained on as "unknown", by other people, and three that it was never trained on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import command_line
from edge.contract.bundle import read_bundle
from edge.contract.files import write_arrays
from edge.contract.types import UNKNOWN
from edge.recognition.decisions import calibrated_min_score
from edge.recognition.recogniser import RecogniserConfig, open_recogniser
from edge.threshold import best_answers, find_threshold
from train.data.clip import SkeletonClip, SkeletonSet
from train.data.configuration import DataConfig
from train.data.pairs import PairConfig, PairDataset, pair_config
from train.data.readers.everyday import UNKNOWN_EXERCISES
from train.data.readers.ui_prmd import MOVEMENTS
from train.data.registry import read_dataset

ROOT = Path(__file__).parents[1]
BUNDLE, OUT = ROOT / "bundles" / "everyday", ROOT / "runs" / "threshold"
WANTED = 0.98
"""Share of the decisions that should be right: above the default, since most of what people do is in no class."""

STRANGE = {m for m in MOVEMENTS if m.startswith("standing_") or m == "hurdle_step"}
"""The others are squats, lunges and standing up, which the student knows."""


def student_pairs() -> PairConfig:
    """How the shipped student's clips are sampled and corrupted."""
    raw = yaml.safe_load((ROOT / "configs" / "everyday" / "student.yaml").read_text(encoding="utf-8"))["data"]["pairs"]
    return pair_config(raw)


def write_clips(data: Path) -> None:
    how = student_pairs()
    everyday = read_dataset(DataConfig("everyday", data, pairs=how))
    named = tuple(clip for clip in everyday.clips if everyday.classes[clip.label] != UNKNOWN)
    known = PairDataset(replace(everyday, clips=named), how, train=False, seed=0)
    seen_by_kinect = replace(how, layout="penn-13", poor="recorded")
    strange = read_dataset(DataConfig("ui_prmd", data, pairs=seen_by_kinect))
    strangers = [
        clip
        for part in (True, False)
        for clip in strange.part(part)
        if _exercise(strange, clip) in STRANGE and not (part and _exercise(strange, clip) in UNKNOWN_EXERCISES)
    ]
    # None is a training clip of the student; the test split samples them without augmentation.
    strange = replace(strange, clips=tuple(replace(clip, train=False) for clip in strangers))
    for name, pairs in {"test": known, "strangers": PairDataset(strange, seen_by_kinect, train=False, seed=0)}.items():
        clips, _, labels = pairs.batch(np.arange(len(pairs)))
        half = np.array([_half(clip.id, n) for n, clip in enumerate(pairs.clips)])
        shown = np.array(
            [name == "strangers" and _exercise(strange, clip) in UNKNOWN_EXERCISES for clip in pairs.clips]
        )
        write_arrays(OUT / f"{name}.npz", clips=clips, labels=labels, half=half, shown=shown)


def _exercise(data: SkeletonSet, clip: SkeletonClip) -> str:
    return data.classes[clip.label].rpartition("_")[0]


def _half(clip: str, number: int) -> int:
    """0 or 1: by person if the dataset names people, else alternating (Penn Action does not)."""
    parts = clip.split("-")
    if parts[0] == "utd":
        return int(parts[2].removeprefix("s")) // 2 % 2
    if parts[0] == "kinematic":
        return int(parts[-1].removeprefix("p")) % 2
    return number % 2


def judge() -> None:
    bundle = read_bundle(BUNDLE)
    recogniser = open_recogniser(bundle, RecogniserConfig(threads=1))
    with np.load(OUT / "test.npz") as arrays:
        scores, best = best_answers(recogniser, bundle.manifest.classes, arrays["clips"])
        is_right, half = best == arrays["labels"], arrays["half"]
    with np.load(OUT / "strangers.npz") as arrays:
        strangers, shown = best_answers(recogniser, bundle.manifest.classes, arrays["clips"])[0], arrays["shown"]
    others = ("exercises shown, other people: unknown %", "exercises never shown: unknown %")
    table = Table("min_score", "evaluated on", "decided %", "of these right %", *others)

    def row(min_score: float, whose: str, part: NDArray[np.bool_]) -> None:
        decided = part & (scores >= min_score)
        unknown = strangers < min_score
        parts = (decided.sum() / part.sum(), is_right[decided].mean(), unknown[shown].mean(), unknown[~shown].mean())
        table.add_row(f"{min_score:.3f}", whose, *(f"{100 * value:.1f}" for value in parts))

    everything = np.ones(len(scores), np.bool_)
    for min_score in sorted({0.4, 0.8, calibrated_min_score(bundle)}):
        row(min_score, "all", everything)
    for n in (0, 1):
        chosen = find_threshold(scores[half == n], is_right[half == n], np.zeros(0, np.float32), WANTED)
        row(chosen.min_score, f"half {1 - n}, chosen on {n}", half != n)
    Console().print(f"{len(scores)} clips of known actions, {shown.sum()} and {(~shown).sum()} of strangers", table)


def main() -> None:
    parser = command_line.parser("benchmarks.threshold", __doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    clips = parts.add_parser("clips", help="write the clips to runs/threshold")
    clips.add_argument("data", type=Path, metavar="DATA", help="folder of the datasets")
    parts.add_parser("judge", help="evaluate thresholds on them")
    given = parser.parse_args()
    if given.part == "clips":
        write_clips(given.data)
    else:
        judge()


if __name__ == "__main__":
    command_line.run(main)
