"""``python -m edge threshold``: from which probability on is a label worth giving? Measured on held-out clips.

A softmax is no probability of being right. The threshold is the lowest at which, of the decisions that are made,
the wanted part is right; clips of what no class describes count as wrong whenever they are decided. Of a student that
has a class "unknown" those are its clips too, and an answer of that class is no decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.cli.console import console
from edge.contract.bundle import DECISIONS, read_bundle, write_manifest
from edge.contract.errors import ConfigError, DataError
from edge.contract.files import write_json
from edge.contract.types import UNKNOWN, Float32
from edge.recognition.labelled_clips import labelled_clips, unlabelled_clips
from edge.recognition.recogniser import (
    Precision,
    Recogniser,
    RecogniserConfig,
    best_precision,
    open_recogniser,
    softmax,
)


@dataclass(frozen=True)
class ThresholdConfig:
    """Find the probability below which the loop says "unknown", and write it to the bundle."""

    bundle: Path
    """Bundle folder; its decisions.json is written, and listed in its manifest."""
    clips: Path
    """Held-out clips with labels, the test.npz that `python -m train export` wrote."""
    strangers: Path | None = None
    """Clips (an .npz with clips) of actions that none of the classes describes; they should be rejected."""
    right: float = 0.95
    """Share of the decisions, 0..1, that should be right. Larger: fewer wrong labels, more "unknown"."""
    precision: Precision | None = None
    """int8 or fp32; by default int8 where the bundle has it."""

    def __post_init__(self) -> None:
        if not 0 < self.right <= 1:
            raise ConfigError(f"right is {self.right}", hint="give a part above 0 and up to 1")


@dataclass(frozen=True)
class Threshold:
    """min_score: the threshold. right: part of the decisions above it that are right. decided: part of the clips
    of known actions that are decided. rejected: part of the strangers that are not, None without any."""

    min_score: float
    right: float
    decided: float
    rejected: float | None


def threshold(config: ThresholdConfig) -> None:
    """Measure, write and show. Raises DataError where no threshold gives so many right decisions."""
    bundle = read_bundle(config.bundle)
    precision = config.precision or best_precision(bundle)
    recogniser = open_recogniser(bundle, RecogniserConfig(precision=precision))
    clips, labels = labelled_clips(config.clips, bundle)
    strangers = unlabelled_clips(config.strangers, bundle) if config.strangers else None
    classes = bundle.manifest.classes
    scores, decided = best_answers(recogniser, classes, clips)
    others = np.zeros(0, np.float32) if strangers is None else best_answers(recogniser, classes, strangers)[0]
    recogniser.close()
    known = np.array([classes[label] != UNKNOWN for label in labels])
    others = np.concatenate([others, scores[~known]])
    found = find_threshold(scores[known], (decided == labels)[known], others, config.right)
    written = {**asdict(found), "wanted": config.right, "clips": int(known.sum()), "strangers": len(others)}
    write_json(config.bundle / DECISIONS, {**written, "precision": precision})
    write_manifest(config.bundle, bundle.manifest)
    rest = "" if found.rejected is None else f"; {100 * found.rejected:.1f} % of {len(others)} strangers are unknown"
    console.print(
        f"min_score {found.min_score:.3f}: of {written['clips']} clips {100 * found.decided:.1f} % are decided, "
        f"{100 * found.right:.1f} % of all decisions are right{rest}"
    )


def find_threshold(scores: Float32, is_right: NDArray[np.bool_], strangers: Float32, right: float) -> Threshold:
    """scores: (N,) probability of the likeliest class of each clip, 0 where nothing is said of it.
    is_right: (N,) whether that class is the clip's.

    strangers: (M,) probabilities of clips that have no class. right: part of the decisions wanted to be right.
    """
    everyone = np.concatenate([scores, strangers]).astype(np.float64)
    correct = np.concatenate([is_right, np.zeros(len(strangers), np.bool_)])
    falling = np.argsort(-everyone, kind="stable")
    part = np.cumsum(correct[falling]) / np.arange(1, len(falling) + 1)
    # Decisions of equal probability are made together.
    ends = np.append(np.diff(everyone[falling]) < 0, True)
    enough = np.flatnonzero(ends & (part >= right) & (everyone[falling] > 0))
    if not len(enough):
        raise DataError(
            f"no threshold makes {100 * right:.0f} % of the decisions right, the best {100 * part[ends].max():.1f} %",
            hint="ask for less with right, or train a better student",
        )
    last = int(enough[-1])
    min_score = float(everyone[falling[last]])
    return Threshold(
        round(min_score - 5e-5, 4),  # rounded down, so that the last one is still decided
        float(part[last]),
        float((scores >= min_score).mean()),
        float((strangers < min_score).mean()) if len(strangers) else None,
    )


def best_answers(recogniser: Recogniser, classes: Sequence[str], clips: Float32) -> tuple[Float32, NDArray[np.int64]]:
    """Probability (N,) and index (N,) of the likeliest class of each clip (N, C, T, V, M); for "unknown" 0."""
    rows = softmax(recogniser.logits(clips))
    best = rows.argmax(axis=1)
    says_nothing = np.array([name == UNKNOWN for name in classes])[best]
    return np.where(says_nothing, np.float32(0), rows.max(axis=1)), best
