"""Trainings of tiny networks on a few generated clips."""

import math
from dataclasses import replace
from pathlib import Path

from edge.contract.preprocess import Preprocessing
from train.configuration import Hardware, StudentConfig, TeacherConfig
from train.data.configuration import DataConfig
from train.data.generated.kinematic import CLASSES
from train.data.pairs import PairConfig
from train.optimiser import Optimiser

DATA = DataConfig(clips_per_class=3, pairs=PairConfig(preprocessing=Preprocessing(length_frames=8, fps=4.0)))
SHORT = Optimiser(epochs=3, batch=16, learning_rate=0.05)
# Two clips of each class train, the third person's tests.
BATCHES = math.ceil(2 * len(CLASSES) / SHORT.batch)  # of 16 and of 8 clips


def teacher_config(out: Path) -> TeacherConfig:
    return TeacherConfig(out=out, data=DATA, width=4, optimiser=SHORT, hardware=Hardware(threads=1))


def student_config(out: Path, teacher: Path) -> StudentConfig:
    # dense_gcn has dropout: its draws must go on where they stopped, too, and so must the average of its weights.
    averaged = replace(SHORT, average=0.5)
    return StudentConfig(out=out, teacher=teacher, data=DATA, width=4, optimiser=averaged, hardware=Hardware(threads=1))
