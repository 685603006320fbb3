"""Flags that make documented commands take seconds instead of minutes.

If a flag is given twice, the last one counts. Trainings run for one epoch of a small network, measurements on a few
images, and verification accepts an untrained student.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from programs import program

ONE_EPOCH = shlex.split("--optimiser.epochs 1 --optimiser.learning_rate 0.01 --width 8 --hardware.threads 1")
FEW_CLIPS = shlex.split("--data.clips_per_class 6 --data.scenes 0")
ADDED = {
    "edge run": shlex.split("--frames 40 --recogniser.threads 1 --pose.threads 1"),
    "edge demo": shlex.split("--source clip.mp4 --frames 40"),
    "edge bench latency": shlex.split("--runs 1 --frames 25 --warm_up_frames 0 --queries 3"),
    "train pairs": shlex.split("--workers 1 --fps 5"),
    "train teacher": [*ONE_EPOCH, *FEW_CLIPS],
    "train student": [*ONE_EPOCH, *FEW_CLIPS],
    "train ablation": [
        *ONE_EPOCH,
        *shlex.split("--teacher_width 8 --seeds [0] --drops [0.6] --methods [alone,ours] --jobs 1"),
    ],
    "train quantise-aware": shlex.split("--optimiser.epochs 1 --hardware.threads 1"),
    "train quantise-aware-pose": shlex.split("--pictures 2 --steps 2 --batch 1 --hardware.threads 1"),
    "train pose": shlex.split("--size 64"),
    "calibrate pose": shlex.split("--samples 2 --float_layers 0 --fit_weights false"),
    "calibrate stream": shlex.split("--samples 4"),
    "calibrate methods": shlex.split("--methods [minmax,mse]"),
    "calibrate engine": shlex.split("--pictures 8"),
    "calibrate measure": shlex.split("--runs 1 --soak_minutes 0 --source clip.mp4"),
    "calibrate verify": shlex.split("--min_agreement 0"),
    "calibrate verify-pose": shlex.split("--samples 2 --min_people_agreement 0"),
}


def short(words: Sequence[str]) -> tuple[str, str, list[str]]:
    """Split what follows ``python -m`` into package, command and flags, with the flags above added."""
    room, (name, *rest) = program(words)
    any_drop = ["--max_top1_drop", "100"] if "--max_top1_drop" in rest else []
    return room, name, [*rest, *ADDED.get(f"{room} {name}", ()), *any_drop]
