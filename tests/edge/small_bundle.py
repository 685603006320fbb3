"""A bundle of a few bytes, whose network is none: for tests of its files and of its manifest."""

from pathlib import Path

import numpy as np

from edge.contract.bundle import REFERENCE, STUDENT_FP32, write_manifest
from edge.contract.manifest import Manifest
from edge.contract.preprocess import Preprocessing

GIVEN = Manifest(
    name="everyday",
    classes=("stand", "walk", "wave"),
    layout="penn-13",
    preprocessing=Preprocessing(),
    input_name="clip",
    output_name="logits",
    input_shape=(1, 3, 32, 13, 1),
    training={"dataset": "kinematic", "seed": 0},
    accuracy={"fp32": {"top1": 0.91}},
)


def make(folder: Path) -> Path:
    """Write it: a network of 11 bytes, two reference clips, and a file of another kind."""
    (folder / STUDENT_FP32).write_bytes(b"not a graph")
    np.savez(folder / REFERENCE, clips=np.ones((2, 3, 32, 13, 1), np.float32), logits=np.zeros((2, 3), np.float32))
    (folder / "notes.txt").write_text("files of other kinds are not part of it")
    write_manifest(folder, GIVEN)
    return folder
