"""Writes are atomic and replace nothing but their own file."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from edge.contract.errors import ConfigError, OutputError
from edge.contract.files import atomic_write, require_writable, temporary_folder, write_text
from edge.loop.config import RunConfig
from edge.sinks.config import SinkConfig


def test_a_file_appears_whole_or_not_at_all_in_new_folders_too(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as partial:
        partial.write_text("all")
        assert not path.exists() and partial.parent == path.parent and partial.suffix == ".txt"
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "all" and [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_require_writable_changes_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    require_writable(tmp_path / "a.txt", None, tmp_path / "b.txt", tmp_path / "new" / "folder" / "c.txt")
    assert (tmp_path / "a.txt").read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(OutputError, match="it is a folder"):
        require_writable(tmp_path)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The only folder that Python finds for temporary files."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: [str(place)])
    monkeypatch.setattr("tempfile.tempdir", None)
    return place


def test_an_unwritable_temporary_folder_names_tmpdir(temporary):
    temporary.rmdir()
    with (
        pytest.raises(OutputError, match=r"temporary files cannot be written: No usable.+set TMPDIR"),
        temporary_folder(),
    ):
        pytest.fail("nothing is begun")
    temporary.mkdir()
    with temporary_folder() as folder:
        temporary.rename(temporary.with_name("gone"))
        with (
            pytest.raises(OutputError, match=r"temporary: temporary files cannot be written: No such file.+set TMPDIR"),
            temporary_folder(),
        ):
            pytest.fail("nothing is begun")
        temporary.with_name("gone").rename(temporary)
    assert not folder.exists()


def test_a_full_temporary_folder_is_an_error_and_errors_of_other_files_keep_their_names(temporary):
    with (
        pytest.raises(OutputError, match=r"temporary: temporary files cannot be written: No space.+set TMPDIR"),
        temporary_folder(),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")  # as writes to an open file say it
    with (
        pytest.raises(OutputError, match=r"temporary: temporary files cannot be written: No space.+set TMPDIR"),
        temporary_folder() as folder,
        atomic_write(folder / "student.onnx"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(OutputError, match=r"kept: cannot be written: No space.+choose another path"),
        temporary_folder(),
        atomic_write(temporary.with_name("kept")),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError, match=r"clip\.npz"), temporary_folder():
        raise PermissionError(errno.EACCES, "Permission denied", "/data/clip.npz")
    assert not list(temporary.iterdir())


def test_a_pipe_or_device_is_refused_and_unchanged(tmp_path):
    # Root may rename a file over /dev/null, and containers often run as root.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="pipe: cannot be written: it is a pipe or a device"), atomic_write(pipe):
        pytest.fail("nothing is begun")
    assert stat.S_ISFIFO(pipe.stat().st_mode) and list(tmp_path.iterdir()) == [pipe]


def test_a_link_is_kept_and_its_target_written(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "latest.json"
    link.symlink_to(tmp_path / "disk" / "3.data")
    for text in ("first", "second"):
        with atomic_write(link) as partial:
            assert partial.suffix == ".json"  # by which video writers choose the container
            partial.write_text(text)
        assert link.is_symlink() and (tmp_path / "disk" / "3.data").read_text() == text


@pytest.mark.parametrize(("prefix", "more"), [("", ""), ("replay://", ""), ("file://", ""), ("", "?flip=vertical")])
def test_an_output_never_replaces_the_source(tmp_path, monkeypatch, prefix, more):
    source = tmp_path / "clip.mp4"
    source.write_text("somebody's only copy")
    (tmp_path / "again.mp4").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    for out in ("clip.mp4", str(source), "again.mp4"):
        with pytest.raises(ConfigError, match="is the source itself"):
            RunConfig(f"{prefix}{source}{more}", tmp_path, sinks=SinkConfig(video=tmp_path / out))
    for output in ({"sinks": SinkConfig(json=source)}, {"sinks": SinkConfig(events=source)}, {"report": source}):
        with pytest.raises(ConfigError, match="is the source itself"):
            RunConfig(f"{prefix}{source}{more}", tmp_path, **output)
    assert RunConfig(f"{prefix}{source}{more}", tmp_path, sinks=SinkConfig(video=tmp_path / "other.mp4"))


WRITER = """
import sys
from pathlib import Path
from edge.contract.files import atomic_write, require_writable, temporary_folder, write_text
with atomic_write(Path(sys.argv[1])) as partial:
    partial.write_text("the other's")
    print("begun", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other_run(tmp_path):
    """Another process that writes a.txt until it receives a line."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "a.txt")]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def test_a_file_that_another_run_is_writing_is_refused_and_stays_the_others(tmp_path, other_run, monkeypatch):
    monkeypatch.setattr("edge.contract.files.LOCK_TIMEOUT_S", 0.1)
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written: another process is writing it"):
        write_text(tmp_path / "a.txt", "ours")
    other_run.communicate("go on\n")
    assert other_run.returncode == 0 and (tmp_path / "a.txt").read_text() == "the other's"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_short_write_of_another_run_is_waited_for(tmp_path, other_run):
    threading.Timer(0.3, lambda: other_run.communicate("go on\n")).start()
    write_text(tmp_path / "a.txt", "ours")
    assert (tmp_path / "a.txt").read_text() == "ours" and other_run.wait(10) == 0


def test_a_file_that_another_run_finishes_meanwhile_is_not_emptied(tmp_path, monkeypatch):
    path, partial, lock, finished = tmp_path / "a.txt", tmp_path / "a.partial.txt", fcntl.flock, []

    def finished_before_the_lock(descriptor, how):
        if not finished:
            partial.write_text("the other's")
            finished.append(partial.replace(path))
        lock(descriptor, how)

    monkeypatch.setattr("fcntl.flock", finished_before_the_lock)
    with atomic_write(path) as ours:
        assert path.read_text() == "the other's"
        ours.write_text("ours")
    assert path.read_text() == "ours"


@pytest.mark.parametrize(("number", "is_written"), [(errno.ENOLCK, True), (errno.ENOTSUP, True), (errno.EIO, False)])
def test_a_drive_without_locks_is_written_without(tmp_path, monkeypatch, number, is_written):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with nullcontext() if is_written else pytest.raises(OutputError, match="Input/output error"):
        write_text(tmp_path / "a.txt", "ours")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] * is_written


def test_a_file_in_its_place_leaves_the_next_runs_partial_alone(tmp_path, monkeypatch):
    path, rename = tmp_path / "a.txt", Path.replace

    def renamed_and_begun_by_another(partial, place):
        rename(partial, place)
        partial.write_text("of the next run")

    monkeypatch.setattr(Path, "replace", renamed_and_begun_by_another)
    write_text(path, "mine")
    assert path.read_text() == "mine" and (tmp_path / "a.partial.txt").read_text() == "of the next run"


def test_the_partial_file_of_a_killed_run_is_overwritten(tmp_path, other_run):
    other_run.kill()
    other_run.wait()
    assert (tmp_path / "a.partial.txt").read_text() == "the other's"
    with atomic_write(tmp_path / "a.txt") as partial:
        assert partial.read_text() == ""
        partial.write_text("ours")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and (tmp_path / "a.txt").read_text() == "ours"


def test_the_root_folder_is_not_a_file():
    with pytest.raises(OutputError, match="/: cannot be written: it is a folder"):
        write_text(Path("/"), "")


def test_a_link_in_place_of_the_partial_file_is_not_followed(tmp_path):
    """In a folder that others may write to, it could lead to any file of this user."""
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "a.partial.txt").symlink_to(tmp_path / "precious")
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written"):
        write_text(tmp_path / "a.txt", "ours")
    assert (tmp_path / "precious").read_text() == "kept" and not (tmp_path / "a.txt").exists()
