"""A system that has no more threads for us, as a container's limit or ulimit -u makes it."""

import _thread
import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path

import networks
import pytest
from bad_input.table import poses

from edge.__main__ import COMMANDS
from edge.cli.command_line import run_command_line


@pytest.fixture
def system_of(monkeypatch):
    """Lets the system give so many threads and no more; gives the names of those that were wanted."""

    def limited(most):
        wanted, count = [], itertools.count()

        def start(bootstrap, *rest):
            wanted.append(bootstrap.__self__.name)
            if next(count) >= most:
                raise RuntimeError("can't start new thread")
            return _thread.start_new_thread(bootstrap, *rest)

        monkeypatch.setattr(threading, "_start_new_thread", start)
        return wanted

    return limited


def test_whichever_thread_the_system_refuses_the_run_ends_at_once_with_a_line_and_leaves_nothing(
    tmp_path, bundle_folder, system_of, capsys
):
    source, out = f"replay://{poses(tmp_path, 9)}", tmp_path / "out"
    sinks = ["--sinks.json", str(out / "a.jsonl"), "--sinks.events", str(out / "b.jsonl"), "--sinks.page", "0"]
    argv = ["run", "--source", source, "--bundle", str(bundle_folder), *sinks, "--recogniser.threads", "1"]
    refused = []
    for most in range(20):
        wanted, begin = system_of(most), time.monotonic()
        with pytest.raises(SystemExit) as left:
            run_command_line("edge", "", COMMANDS, [*argv, "--report", str(out / "c.json")])
            raise SystemExit(0)
        if left.value.code == 0:
            break
        refused.append(wanted[most])
        said = capsys.readouterr().err.splitlines()
        assert left.value.code == 2 and "the system starts no more threads here" in said[-1]
        assert [line for line in said if line.startswith("error: ")] == said[-1:]
        assert time.monotonic() - begin < 4 and not list(out.iterdir() if out.exists() else ())
    stages = ["watch", "capture", "pose", "action"]
    assert refused == ["signals", "output json", "output events", "output page", "page", "output page events", *stages]
    assert sorted(path.name for path in out.iterdir()) == ["a.jsonl", "b.jsonl", "c.json"]


# Root's threads are not counted. Whoever may not enter pytest's folders may stand in one of them.
NO_MORE = """
import os, resource, sys
from pathlib import Path
from edge.contract.errors import EngineError
from edge.engines.registry import open_engine
import onnxruntime
os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setuid(54321)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    open_engine(Path("student.onnx"), threads=4)
except EngineError as error:
    print("told:", error)
"""


def test_a_network_that_gets_no_threads_is_not_called_damaged(tmp_path):
    networks.student(tmp_path / "student.onnx")
    tmp_path.chmod(0o755)
    (tmp_path / "student.onnx").chmod(0o644)
    words, root = [sys.executable, "-c", NO_MORE, str(tmp_path)], Path(__file__).parents[2]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=120, check=True)
    (told,) = (line for line in done.stdout.splitlines() if line.startswith("told:"))
    assert told.startswith("told: student.onnx: the system gives ONNX Runtime no threads; allow more: ulimit -u")
