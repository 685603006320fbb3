"""What the peers' networks learn from the same clips as our student, and what is left of it in eight bits.

    python -m benchmarks.peers.accuracy --data FOLDER [--datasets utd_mhad penn_action] [--rows dd_net ...]

Every training leaves its run folder with report.json under runs/peers/accuracy; one that was interrupted goes on, and
one that ended is not repeated. Settings are those of configs/ablation for the dataset, poor skeletons drawn anew
at each draw. What has not run is missing from the tables; nothing takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks import command_line
from benchmarks.peers.eight_bits import compare_eight_bits, in_eight_bits
from benchmarks.peers.fronts import DATASETS
from benchmarks.peers.trainings import ALONE, FOR_AS_LONG, ROWS, TRAINING, Quality, Training
from train.configuration import StudentConfig
from train.teach import train_student, train_teacher


def trainings(datasets: list[str], rows: list[str], qualities: list[Quality], seeds: int) -> Iterator[Training]:
    """Seed by seed, so that what an interruption leaves is whole."""
    for seed in range(seeds):
        for see in qualities:
            for row in rows:
                for dataset in datasets:
                    training = Training(row, dataset, see, seed)
                    if training.left_out is None:
                        yield training


def finish(training: Training, data: Path) -> None:
    """Train what is not trained, a teacher first, and quantise what is not quantised."""
    if not training.has_ended:
        if training.teacher is not None:
            finish(training.teacher, data)
        config = training.config(data)
        if isinstance(config, StudentConfig):
            train_student(config)
        else:
            train_teacher(config)
    if in_eight_bits(training) is None:
        compare_eight_bits(training, data)


def main() -> None:
    parser = command_line.parser("benchmarks.peers.accuracy", __doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", choices=list(TRAINING), default=list(DATASETS))
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), metavar="ROW", default=[*ALONE, *FOR_AS_LONG])
    # Poor skeletons first, they are what a device sees.
    parser.add_argument("--see", nargs="+", choices=("lq", "hq"), default=("lq", "hq"))
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    for training in trainings(given.datasets, given.rows, given.see, given.seeds):
        finish(training, given.data)


if __name__ == "__main__":
    command_line.run(main)
