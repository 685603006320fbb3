"""The shipped bundle's accuracy by source of the test clips: top-1 in both precisions, and their agreement.

python -m benchmarks.everyday_parts DATA
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import command_line
from benchmarks.threshold import BUNDLE, student_pairs
from edge.contract.bundle import read_bundle
from edge.contract.types import UNKNOWN
from edge.recognition.recogniser import Precision, RecogniserConfig, open_recogniser
from train.data.configuration import DataConfig
from train.data.pairs import PairDataset
from train.data.readers.everyday import SIT, STAND
from train.data.registry import read_dataset

ALL, NAMED, STILL = "all", "all actions", "still people"
SOURCES = {"penn": "Penn Action", "utd": "UTD-MHAD", "uiprmd": "unknown: exercises", "kinematic": "generated"}
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


def source(clip: str) -> str:
    """Source of a clip, by its id."""
    kind, *rest = clip.split("-")
    if kind == "utd" and rest[-1] in (STAND, SIT):
        return STILL
    return "unknown: made" if rest[0] == "fidget" else SOURCES[kind]


def main() -> None:
    parser = command_line.parser("benchmarks.everyday_parts", __doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the datasets")
    data: Path = parser.parse_args().data
    how, bundle = student_pairs(), read_bundle(BUNDLE)
    everyday = read_dataset(DataConfig("everyday", data, pairs=how))
    pairs = PairDataset(everyday, how, train=False, seed=0)
    clips, _, labels = pairs.batch(np.arange(len(pairs)))
    decided = {}
    for precision in PRECISIONS:
        recogniser = open_recogniser(bundle, RecogniserConfig(precision=precision, threads=1))
        decided[precision] = recogniser.logits(clips).argmax(axis=1)
        recogniser.close()
    sources = np.array([source(clip.id) for clip in pairs.clips])
    named = np.array([everyday.classes[label] != UNKNOWN for label in labels])
    parts = {ALL: np.ones(len(labels), np.bool_), NAMED: named} | {
        name: sources == name for name in dict.fromkeys(sources.tolist())
    }
    table = Table("test clips", "", *(f"{precision.upper()} top-1 %" for precision in PRECISIONS), "alike %")
    for name, part in parts.items():
        top1 = [(decided[precision] == labels)[part].mean() for precision in PRECISIONS]
        alike = (decided["fp32"] == decided["int8"])[part].mean()
        table.add_row(name, str(part.sum()), *(f"{100 * value:.2f}" for value in (*top1, alike)))
    Console().print(table)


if __name__ == "__main__":
    command_line.run(main)
