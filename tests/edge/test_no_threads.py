"""A system that has no more threads for us, as a container's limit or ulimit -u makes it."""

import _thread
import itertools
import threading
import time

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
