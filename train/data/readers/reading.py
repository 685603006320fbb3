"""How a recorded dataset is read: what the user may choose, and many files by several processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.progress import Progress

from edge.cli.console import console
from edge.contract.errors import ConfigError, DataError

Item = TypeVar("Item")
Parsed = TypeVar("Parsed")

MAX_WORKERS = 8
"""More processes than this wait for the disk."""
MIN_FILES_FOR_WORKERS = 2000
"""Files. Processes take a second to start."""
MIN_FILES_FOR_BAR = 200
"""Files below which nobody waits."""
CHUNK_FILES = 16


@dataclass(frozen=True)
class ReadOptions:
    """split: which published split; the dataset's first where none is named. cache: folder in which large datasets
    keep what was parsed. workers: processes that parse; 0 for as many as there are cores, at most 8.
    """

    split: str | None = None
    cache: Path | None = None
    workers: int = 0

    def choose_split(self, dataset: str, *splits: str) -> str:
        """The split to use, one of ``splits``; ConfigError for any other. Without ``splits`` there is one alone."""
        if self.split is None or self.split in splits:
            return self.split or (splits[0] if splits else "")
        hint = f"give --data.split {' or '.join(splits)}" if splits else "leave --data.split out: it has one split"
        raise ConfigError(f"dataset {dataset} has no split {self.split!r}", hint=hint)


DEFAULT = ReadOptions()


def parse_files(items: Sequence[Item], parse: Callable[[Item], Parsed], workers: int, told: str) -> Iterator[Parsed]:
    """``parse`` of every item, a file as a rule, in order, under a progress bar; by several processes where that pays.

    ``parse`` must be importable, for other processes call it. Its errors arrive here as they were raised.
    """
    count = min(workers or os.cpu_count() or 1, MAX_WORKERS)
    with ExitStack() as stack:
        bar = stack.enter_context(Progress(console=console, disable=len(items) < MIN_FILES_FOR_BAR))
        results: Iterator[Parsed]
        if count > 1 and len(items) >= MIN_FILES_FOR_WORKERS:
            # Forking a process in which other threads run (torch's, the bar's) can stop it for good.
            pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
            stack.callback(pool.shutdown, cancel_futures=True)
            results = pool.map(parse, items, chunksize=CHUNK_FILES)
        else:
            results = map(parse, items)
        try:
            yield from bar.track(results, total=len(items), description=told)
        except BrokenProcessPool as error:
            raise DataError(
                f"a process that parsed {told} was ended from outside, as happens where memory runs out",
                hint="give --data.workers 1",
            ) from error
