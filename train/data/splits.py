"""Holding training clips out, to judge by what was not learnt."""

from __future__ import annotations

from dataclasses import replace

from train.data.clip import SkeletonSet


def hold_out(data: SkeletonSet, share: float) -> tuple[SkeletonSet, SkeletonSet]:
    """The set without ``share`` of each class's training clips, and those alone, as clips to test.

    Evenly over each class's clips in their order: every person and place is held out as often as it is learnt. So these
    clips tell when learning has come to its end, not how well strangers are recognised. A class with one clip keeps it.
    """
    kept, held = [], []
    seen: dict[int, int] = {}
    for clip in data.clips:
        if not clip.train:
            kept.append(clip)
            continue
        count = seen[clip.label] = seen.get(clip.label, 0) + 1
        # The n-th clip is held out where n * share passes a whole number.
        if int(count * share) > int((count - 1) * share):
            held.append(replace(clip, train=False))
        else:
            kept.append(clip)
    return replace(data, clips=tuple(kept)), replace(data, clips=tuple(held))
