"""Options of dataset readers, and parsing of many files in several processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edge.cli.progress_bar import track
from edge.contract.errors import ConfigError, DataError
from train.worker_pool import WorkerPool

Item = TypeVar("Item")
Parsed = TypeVar("Parsed")

MAX_WORKERS = 8
"""More processes than this only wait for the disk."""
MIN_FILES_FOR_WORKERS = 2000
"""Fewer files are parsed in this process, since processes take a second to start."""
MIN_FILES_FOR_BAR = 200
"""Fewer files are parsed without a progress bar."""
CHUNK_FILES = 16


@dataclass(frozen=True)
class ReadOptions:
    """split: published split; None for the dataset's first. cache: folder for parsed clips of large datasets.
    workers: processes that parse; 0 for one per core, at most 8.
    """

    split: str | None = None
    cache: Path | None = None
    workers: int = 0

    def choose_split(self, dataset: str, *splits: str) -> str:
        """The split to use. Raises ConfigError unless it is one of ``splits``."""
        if self.split is None or self.split in splits:
            return self.split or splits[0]
        hint = f"give --data.split {' or '.join(splits)}"
        raise ConfigError(f"dataset {dataset} has no split {self.split!r}", hint=hint)


DEFAULT = ReadOptions()


def parse_files(
    items: Sequence[Item], parse: Callable[[Item], Parsed], workers: int, description: str
) -> Iterator[Parsed]:
    """Yield ``parse`` of every item (usually a file) in order; many items get a progress bar and several processes.

    ``parse`` must be picklable. Its exceptions are raised here.
    """
    count = min(workers or os.cpu_count() or 1, MAX_WORKERS)
    with ExitStack() as stack:
        results: Iterator[Parsed]
        if count > 1 and len(items) >= MIN_FILES_FOR_WORKERS:
            pool = WorkerPool(count)
            stack.callback(pool.shutdown, cancel_futures=True)
            results = pool.map(parse, items, chunksize=CHUNK_FILES)
        else:
            results = map(parse, items)
        try:
            yield from results if len(items) < MIN_FILES_FOR_BAR else track(results, description, len(items))
        except BrokenProcessPool as error:
            raise DataError(
                f"a process that parsed {description} was killed, probably because memory ran out",
                hint="give --data.workers 1",
            ) from error
