"""Accuracy of the peers' networks, trained on the same clips as our student, in FP32 and INT8.

    python -m benchmarks.peers.accuracy --data FOLDER [--datasets utd_mhad penn_action] [--rows dd_net ...]

Every training has a run folder with report.json under runs/peers/accuracy. An interrupted training resumes; a finished
one is not repeated. Settings are those of configs/ablation for the dataset; LQ skeletons are sampled anew for each
batch. Cells of the tables whose training has not run say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks import command_line
from benchmarks.peers.fronts import DATASETS
from benchmarks.peers.int8_result import measure_int8, read_int8_result
from benchmarks.peers.trainings import ALONE, FOR_AS_LONG, ROWS, TRAINING, Quality, Training
from train.configuration import StudentConfig
from train.teach import train_student, train_teacher


def trainings(datasets: list[str], rows: list[str], qualities: list[Quality], seeds: int) -> Iterator[Training]:
    """Seed by seed, so that an interruption leaves complete seeds."""
    for seed in range(seeds):
        for see in qualities:
            for row in rows:
                for dataset in datasets:
                    training = Training(row, dataset, see, seed)
                    if training.left_out is None:
                        yield training


def finish(training: Training, data: Path) -> None:
    """Train, a teacher first, and quantise, unless that is done."""
    if not training.is_finished:
        if training.teacher is not None:
            finish(training.teacher, data)
        config = training.config(data)
        if isinstance(config, StudentConfig):
            train_student(config)
        else:
            train_teacher(config)
    if read_int8_result(training) is None:
        measure_int8(training, data)


def main() -> None:
    parser = command_line.parser("benchmarks.peers.accuracy", __doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", choices=list(TRAINING), default=list(DATASETS))
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), metavar="ROW", default=[*ALONE, *FOR_AS_LONG])
    # LQ skeletons first: they are what a device sees.
    parser.add_argument("--see", nargs="+", choices=("lq", "hq"), default=("lq", "hq"))
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    for training in trainings(given.datasets, given.rows, given.see, given.seeds):
        finish(training, given.data)


if __name__ == "__main__":
    command_line.run(main)
