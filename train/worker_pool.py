"""Pools of worker processes that end with their parent and leave Ctrl-C to it."""

from __future__ import annotations

import ctypes
import errno
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from edge.contract.errors import OutputError

SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with threads may deadlock
PR_SET_PDEATHSIG = 1  # see prctl(2)


@contextmanager
def wrap_lock_errors() -> Iterator[None]:
    """Turn an OSError about locks that processes share into an OutputError. Linux keeps them in /dev/shm."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        raise OutputError(
            f"locks for worker processes cannot be made: {error.strerror}",
            where="/dev/shm",
            hint="make it a writable folder: mount -t tmpfs tmpfs /dev/shm",
        ) from error


class WorkerPool(ProcessPoolExecutor):
    """A pool of spawned processes. set_up: called with ``args`` in each of them; must be picklable."""

    def __init__(self, workers: int, set_up: Callable[..., None] | None = None, *args: Any) -> None:
        with wrap_lock_errors():
            super().__init__(workers, SPAWN, _start_worker, (set_up, *args))

    def submit(self, *args: Any, **options: Any) -> Future[Any]:
        """See ProcessPoolExecutor, which starts processes here. They inherit the signal mask."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            submitted = super().submit(*args, **options)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # The manager thread was woken before the process was started, and would not notice its death.
        with self._shutdown_lock:
            self._executor_manager_thread_wakeup.wakeup()
        return submitted


def _start_worker(set_up: Callable[..., None] | None, *args: Any) -> None:
    # After kill -9 of its parent, a worker would finish its task, and then wait for another forever. The kernel ends it
    # with the thread that started it, the parent's main thread.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None or os.getppid() != parent.pid:
        os._exit(1)
    if set_up is not None:
        set_up(*args)
