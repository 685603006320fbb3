"""Accuracy of a student when it streams: on test clips in its training form, with fresh states, and with a history.

    python -m benchmarks.streaming_accuracy DATA RUN...

DATA: the dataset's folder. RUN: folders of trained ``dense_gcn`` or ``dense_gcn_stream`` students of one body.
clip: the form the run was trained in. fresh: a stream that has seen this clip only. past: a stream that has seen the
same clip forwards and backwards before, so that its states are filled as those of a person who has long been in view.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks import command_line
from train.checkpoint import Checkpoint, build_network, load_checkpoint
from train.data.pairs import PairDataset
from train.evaluate import BATCH
from train.export.bundle import load_clips
from train.networks.dense_gcn import DenseGcn
from train.networks.dense_gcn_stream import TOTAL_STRIDE, DenseGcnStream


def shares(run: Path, checkpoint: Checkpoint, test: PairDataset) -> dict[str, float]:
    """Top-1 on the test clips, 0..1, by form."""
    network = checkpoint.rebuild(run)
    assert isinstance(network, DenseGcn) and network.bodies == 1, "only DenseGCN of one body streams"
    causal = build_network(checkpoint.about | {"network": "dense_gcn_stream"}).eval()
    assert isinstance(causal, DenseGcnStream)
    causal.load_state_dict(network.state_dict())
    right = dict.fromkeys(("clip", "fresh", "past"), 0)
    for start in range(0, len(test), BATCH):
        low, _, labels = test.batch(np.arange(start, min(start + BATCH, len(test))))
        clips = torch.from_numpy(low)
        back = torch.cat([clips, clips.flip(2), clips], dim=2)
        window = clips.shape[2] // TOTAL_STRIDE
        answers = {"clip": network(clips)[0], "fresh": causal(clips)[0], "past": _last(causal, back, window)}
        for form, logits in answers.items():
            right[form] += int((logits.argmax(1).numpy() == labels).sum())
    return {form: count / len(test) for form, count in right.items()}


def _last(network: DenseGcnStream, clips: Tensor, window: int) -> Tensor:
    """Logits from the last ``window`` features only."""
    fc: nn.Linear = network.fc
    logits: Tensor = fc(network(clips)[1][:, :, -window:].mean(dim=(2, 3)))
    return logits


def main() -> None:
    parser = command_line.parser("benchmarks.streaming_accuracy", __doc__)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("run", "network", "centre", "clip %", "fresh %", "past %")
    for run in given.runs:
        checkpoint = load_checkpoint(run)
        about, (_, test) = checkpoint.about, load_clips(checkpoint, given.data)
        with torch.inference_mode():
            found = shares(run, checkpoint, test)
        centre = about["pairs"]["preprocessing"]["centre"]
        table.add_row(str(run), about["network"], centre, *(f"{100 * share:.2f}" for share in found.values()))
    Console(width=140).print(table)


if __name__ == "__main__":
    command_line.run(main)
