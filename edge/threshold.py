"""``python -m edge threshold``: calibrate, on held-out clips, the probability below which the loop says "unknown".

A softmax score is not the probability of being right. The threshold is the lowest one at which the requested share of
the decisions is right. A decision about a clip that no class describes counts as wrong; if the student has a class
"unknown", its clips are such clips too, and its output is no decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.cli.console import console
from edge.contract.bundle import DECISIONS, read_bundle, write_manifest
from edge.contract.errors import DataError
from edge.contract.files import temporary_folder, write_json
from edge.contract.intervals import require_in
from edge.contract.types import UNKNOWN, Float32
from edge.recognition.labelled_clips import labelled_clips, unlabelled_clips
from edge.recognition.recogniser import (
    Precision,
    Recogniser,
    RecogniserConfig,
    open_recogniser,
    precision_of,
    softmax,
)


@dataclass(frozen=True)
class ThresholdConfig:
    """Calibrate, on held-out clips, the probability below which the loop says unknown."""

    bundle: Path
    """Bundle folder; decisions.json is written to it and listed in its manifest."""
    clips: Path
    """Held-out clips with labels, the test.npz that `python -m train export` wrote."""
    strangers: Path | None = None
    """Clips (an .npz with clips) of actions that none of the classes describes; they should be rejected."""
    right: float = 0.95
    """Share of the decisions, 0..1, that should be right. Larger: fewer wrong labels, more "unknown"."""
    precision: Precision | None = None
    """int8 or fp32; by default int8 if the bundle has it."""

    def __post_init__(self) -> None:
        require_in(self, right="(0, 1]")


@dataclass(frozen=True)
class Threshold:
    """min_score: the threshold. right: share of right decisions at it. decided: share of the clips of known actions
    that are decided. rejected: share of the strangers that are not, None without strangers."""

    min_score: float
    right: float
    decided: float
    rejected: float | None


def threshold(config: ThresholdConfig) -> None:
    """Find the threshold, write it to the bundle and print it. Raises DataError if none reaches the requested share."""
    bundle = read_bundle(config.bundle)
    student = RecogniserConfig(config.precision)
    clips, labels = labelled_clips(config.clips, bundle)
    strangers = unlabelled_clips(config.strangers, bundle) if config.strangers else None
    classes = bundle.manifest.classes
    with closing(open_recogniser(bundle, student)) as recogniser:
        scores, decided = best_answers(recogniser, classes, clips)
        others = np.zeros(0, np.float32) if strangers is None else best_answers(recogniser, classes, strangers)[0]
    known = np.array([classes[label] != UNKNOWN for label in labels])
    others = np.concatenate([others, scores[~known]])
    found = find_threshold(scores[known], (decided == labels)[known], others, config.right)
    count = int(known.sum())
    written = {**asdict(found), "wanted": config.right, "clips": count, "strangers": len(others)}
    with temporary_folder() as made:
        write_json(made / DECISIONS, {**written, "precision": precision_of(bundle, student)})
        write_manifest(config.bundle, lambda present: present, made)
    rest = "" if found.rejected is None else f", {100 * found.rejected:.1f} % of {len(others)} other clips are rejected"
    console.print(
        f"min_score {found.min_score:.3f}: {100 * found.decided:.1f} % of {count} clips are decided, "
        f"{100 * found.right:.1f} % of all decisions are correct{rest}"
    )
    if (count - 1) / count < config.right < 1:
        console.print(
            f"warning: {count} clips are too few: a single wrong decision would be more than "
            f"{100 * (1 - config.right):.3g} % of them; hold out more, or set --decisions.min_score yourself"
        )


def find_threshold(scores: Float32, is_right: NDArray[np.bool_], strangers: Float32, right: float) -> Threshold:
    """The lowest threshold at which the share ``right`` of the decisions is right.

    scores: (N,) probability of each clip's likeliest class, 0 for an output "unknown". is_right: (N,) whether that is
    the clip's class. strangers: (M,) the same probabilities for clips of no class.
    """
    all_scores = np.concatenate([scores, strangers]).astype(np.float64)
    correct = np.concatenate([is_right, np.zeros(len(strangers), np.bool_)])
    descending = np.argsort(-all_scores, kind="stable")
    precision = np.cumsum(correct[descending]) / np.arange(1, len(descending) + 1)
    # Clips of equal score are decided together: only the last of them is a possible threshold.
    is_last = np.append(np.diff(all_scores[descending]) < 0, True)
    reached = np.flatnonzero(is_last & (precision >= right) & (all_scores[descending] > 0))
    if not len(reached):
        best = 100 * precision[is_last].max()
        raise DataError(
            f"no threshold makes {100 * right:.0f} % of the decisions correct; the best one {best:.1f} %",
            hint="give a lower --right, or train a better student",
        )
    last = int(reached[-1])
    min_score = float(all_scores[descending[last]])
    return Threshold(
        round(min_score - 5e-5, 4),  # rounded down, so that this clip is still decided
        float(precision[last]),
        float((scores >= min_score).mean()),
        float((strangers < min_score).mean()) if len(strangers) else None,
    )


def best_answers(recogniser: Recogniser, classes: Sequence[str], clips: Float32) -> tuple[Float32, NDArray[np.int64]]:
    """Probability (N,), 0 for "unknown", and index (N,) of the likeliest class of each clip (N, C, T, V, M)."""
    rows = softmax(recogniser.logits(clips))
    best = rows.argmax(axis=1)
    is_unknown = np.array([name == UNKNOWN for name in classes])[best]
    return np.where(is_unknown, np.float32(0), rows.max(axis=1)), best
