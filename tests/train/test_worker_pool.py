"""Worker processes end with their parent, and Ctrl-C is their parent's business."""

import errno
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from train.worker_pool import WorkerPool

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import signal, time
from train.worker_pool import WorkerPool

class WithoutThreads:
    def __reduce__(self):  # in a worker
        return exec, (
            "import threading\\n"
            "def refuse(*_): raise RuntimeError\\n"
            "threading._start_new_thread = refuse",
        )

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
with WorkerPool(2, str, WithoutThreads()) as pool:
    busy = pool.submit(time.sleep, 0.5)
    try:
        print("started", flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        print("interrupted", busy.result(), pool.submit(str, "works").result())
"""


@pytest.mark.parametrize(("stop", "printed"), [(signal.SIGKILL, ""), (signal.SIGINT, "interrupted None works\n")])
def test_workers_end_with_their_parent_and_ignore_ctrl_c(stop: signal.Signals, printed: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, start_new_session=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None and parent.stdout.readline() == "started\n"
        # Ctrl-C reaches the whole group, while the workers are still starting.
        (os.killpg if stop == signal.SIGINT else os.kill)(parent.pid, stop)
        said = parent.communicate(timeout=60)  # until no process is left that could write
    assert said[0] == printed and "Traceback" not in said[1]


def test_the_death_of_the_worker_that_was_started_last_is_noticed_at_once() -> None:
    with WorkerPool(2) as pool:
        busy = [pool.submit(time.sleep, 60) for _ in range(2)]
        max(multiprocessing.active_children(), key=lambda worker: worker.pid or 0).kill()
        with pytest.raises(BrokenProcessPool):
            busy[0].result(timeout=20)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_without_shared_memory_the_error_names_its_folder() -> None:
    code = "from train.worker_pool import WorkerPool; WorkerPool(2)"
    command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro none /dev/shm && "$@"', "sh", sys.executable]
    tried = subprocess.run([*command, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    if tried.stderr.startswith(("unshare", "mount")):
        pytest.skip(f"this machine cannot mount: {tried.stderr}")
    assert "OutputError: /dev/shm: locks for worker processes cannot be made: Read-only file system" in tried.stderr


def test_too_few_open_files_for_a_pool_are_not_blamed_on_shared_memory() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())), hard))
    try:
        with pytest.raises(OSError, match="Too many open files") as refused:
            WorkerPool(2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert refused.value.errno == errno.EMFILE
