"""Our student's figures of distillation.md: same clips, same training, five seeds, with and without a teacher."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.peers.accuracy import DROP

PAGE = Path("benchmarks/distillation.md")

ROWS = {
    "dense_gcn 16": {"lq": "alone-redrawn"},
    "dense_gcn 16, taught": {"lq": "ours"},
    "dense_gcn 24": {"hq": "teacher on HQ"},
}
"""Row here -> quality -> row there."""


def earlier(network: str, dataset: str, see: str, page: Path = PAGE) -> list[float]:
    """Top-1 in percent of each seed; nothing where that page has no such row."""
    method = ROWS.get(network, {}).get(see)
    if method is None or not page.is_file():
        return []
    section = page.read_text(encoding="utf-8").partition(f"### {dataset}, drop {DROP}\n")[2].partition("\n#")[0]
    row = re.search(rf"^\| {re.escape(method)} \|[^|]*\|[^|]*\|([^|]*)\|", section, re.MULTILINE)
    return [] if row is None else [float(seed) for seed in row[1].split()]
