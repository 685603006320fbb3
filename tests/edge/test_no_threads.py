"""A system that refuses new threads, as a container's limit or ulimit -u does."""

import _thread
import itertools
import shutil
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
    """Limit how many threads the system starts; returns the names of the requested ones."""

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


def test_a_refused_thread_ends_the_run_with_one_line_and_no_files(tmp_path, bundle_folder, system_of, capsys):
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
        lines = capsys.readouterr().err.splitlines()
        assert left.value.code == 2 and "the system cannot start another thread" in lines[-1]
        assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
        assert time.monotonic() - begin < 4 and not list(out.iterdir() if out.exists() else ())
    stages = ["watchdog", "capture", "pose", "action"]
    assert refused == ["signals", "output json", "output events", "output page", "page", "output page events", *stages]
    assert sorted(path.name for path in out.iterdir()) == ["a.jsonl", "b.jsonl", "c.json"]


# Root has no thread limit. Another user cannot enter pytest's folders, but may have one as working folder.
NO_MORE = """
import importlib, os, resource, sys
from pathlib import Path
import numpy as np
import edge.contract.files, edge.engines.onnx_runtime, edge.engines.signal_stack, email.parser
from edge.contract.errors import EngineError
from edge.engines.registry import open_engine
folder, network, runtime, module, limited, threads = sys.argv[1:]
importlib.import_module(module)
os.chdir(folder)
if os.getuid() == 0:
    os.setuid(54321)
def limit():
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    if limited == "open":
        limit()
    engine = open_engine(Path(network), threads=int(threads), runtime=runtime)
    limit()
    zeros = {s.name: np.zeros([n or 1 for n in s.shape], s.dtype) for s in engine.inputs}
    print("answered:", *engine.run(zeros))
except EngineError as error:
    print("failed:", error)
"""


def without_threads(folder, network, runtime, module, limited, threads):
    """Output of a process that opens and runs a network; from ``limited`` on it gets no new threads."""
    folder.chmod(0o755)
    (folder / network).chmod(0o644)
    words = [sys.executable, "-c", NO_MORE, str(folder), network, runtime, module, limited, threads]
    root = Path(__file__).parents[2]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=120, check=True)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(("failed:", "answered:")))
    return line


@pytest.mark.parametrize(
    ("runtime", "module", "name", "limited"),
    [
        ("auto", "onnxruntime", "ONNX Runtime", "open"),
        ("openvino", "openvino", "OpenVINO", "open"),
        ("openvino", "openvino", "OpenVINO", "run"),
    ],
)
def test_refused_threads_are_not_reported_as_a_damaged_network(tmp_path, runtime, module, name, limited):
    pytest.importorskip(module, reason=f"{module} is not installed")
    networks.student(tmp_path / "student.onnx")
    line = without_threads(tmp_path, "student.onnx", runtime, module, limited, "4")
    assert line.startswith(f"failed: student.onnx: {name} cannot start its threads; allow more: ulimit -u")


@pytest.mark.parametrize(("limited", "threads"), [("open", "4"), ("open", "1024"), ("run", "1024")])
def test_litert_runs_with_the_threads_that_it_gets(tmp_path, shared_data, limited, threads):
    shutil.copy(shared_data / "models" / "blazepose_lite.tflite", tmp_path / "pose.tflite")
    line = without_threads(tmp_path, "pose.tflite", "auto", "ai_edge_litert.interpreter", limited, threads)
    assert line.startswith("answered:")
