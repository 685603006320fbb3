"""Hold out part of the training clips for validation."""

from __future__ import annotations

from dataclasses import replace

from train.data.clip import SkeletonSet


def hold_out(data: SkeletonSet, share: float) -> tuple[SkeletonSet, SkeletonSet]:
    """Return the set without ``share`` of each class's training clips, and a set of these alone, as test clips.

    They are taken evenly over each class's clips in their order, so training and validation see the same people and
    places. Validation accuracy therefore tells when to stop, not how well strangers are recognised. A class with one
    clip keeps it.
    """
    kept, held = [], []
    seen: dict[int, int] = {}
    for clip in data.clips:
        if not clip.train:
            kept.append(clip)
            continue
        count = seen[clip.label] = seen.get(clip.label, 0) + 1
        # Hold the n-th clip out where n * share reaches the next whole number.
        if int(count * share) > int((count - 1) * share):
            held.append(replace(clip, train=False))
        else:
            kept.append(clip)
    return replace(data, clips=tuple(kept)), replace(data, clips=tuple(held))
