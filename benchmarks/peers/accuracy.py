"""What the peers' networks learn from the same clips, by the same training, as our student.

    python -m benchmarks.peers.accuracy --data FOLDER [--datasets utd_mhad penn_action] [--networks dd_net ...]

Every training leaves its run folder with report.json under runs/peers/accuracy; one that was interrupted goes on, and
one that ended is not repeated. Settings are those of configs/ablation for the dataset, poor skeletons drawn anew
at each draw. What has not run is missing from the table; nothing takes its place.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.contract.errors import DataError
from train.data.pairs import PairConfig
from train.data.registry import DataConfig
from train.hardware import Hardware
from train.optimiser import Optimiser
from train.report import read_report
from train.teach import TeacherConfig, train_teacher

Quality = Literal["hq", "lq"]

RUNS = Path("runs/peers/accuracy")
DROP = 0.6
"""Share of joints that LQ clips lack."""

NETWORKS: dict[str, tuple[str, int]] = {
    "dd_net_s": ("dd_net_s", 16),
    "dd_net_m": ("dd_net_m", 32),
    "dd_net": ("dd_net", 64),
    "dense_gcn 16": ("dense_gcn", 16),
    "dense_gcn 24": ("dense_gcn", 24),
    "dense_gcn 48": ("dense_gcn", 48),
    "efficient_gcn_b0": ("efficient_gcn_b0", 64),
    "st_gcn_pp": ("st_gcn_pp", 64),
    "st_gcn": ("st_gcn", 64),
}
"""Rows of the comparison: registered network and width; ours are the dense_gcn. The cheapest training first."""

TRAINING: dict[str, tuple[Optimiser, PairConfig]] = {
    "utd_mhad": (
        Optimiser(epochs=30, batch=16, learning_rate=0.1, schedule="cosine", weight_decay=5e-4),
        PairConfig(rotate_deg=10, max_yaw_deg=0, max_pitch_deg=0, drop=DROP),
    ),
    "penn_action": (
        Optimiser(epochs=12, batch=32, learning_rate=0.1, schedule="cosine", weight_decay=5e-4),
        PairConfig(rotate_deg=10, drop=DROP),
    ),
}


@dataclass(frozen=True)
class Training:
    """One row's training on one dataset."""

    network: str
    dataset: str
    see: Quality
    seed: int

    @property
    def out(self) -> Path:
        return RUNS / self.dataset / self.network.replace(" ", "_") / self.see / f"seed{self.seed}"

    def config(self, data: Path) -> TeacherConfig:
        optimiser, pairs = TRAINING[self.dataset]
        name, width = NETWORKS[self.network]
        return TeacherConfig(
            out=self.out,
            data=DataConfig(self.dataset, data, pairs=pairs),
            network=name,
            width=width,
            see=self.see,
            optimiser=optimiser,
            hardware=Hardware(accelerator="cpu", precision="bf16-mixed", threads=1),
            seed=self.seed,
        )

    def top1(self) -> float | None:
        """Percent of the test clips, None where the training has not ended."""
        try:
            return 100 * float(read_report(self.out)["top1"])
        except DataError:
            return None


def trainings(datasets: list[str], networks: list[str], seeds: int) -> Iterator[Training]:
    """Seed by seed, so that what an interruption leaves is whole; poor skeletons first, they are what a device sees."""
    for seed in range(seeds):
        for see in ("lq", "hq"):
            for network in networks:
                for dataset in datasets:
                    yield Training(network, dataset, see, seed)


def finished(network: str, dataset: str, see: Quality) -> list[float]:
    """Top-1 in percent of every seed that has ended."""
    folders = sorted((RUNS / dataset / network.replace(" ", "_") / see).glob("seed*"))
    found = (Training(network, dataset, see, int(folder.name.removeprefix("seed"))).top1() for folder in folders)
    return [top1 for top1 in found if top1 is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", choices=list(TRAINING), default=list(TRAINING))
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    for training in trainings(given.datasets, given.networks, given.seeds):
        if training.top1() is None:
            train_teacher(training.config(given.data))


if __name__ == "__main__":
    main()
