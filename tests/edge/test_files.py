"""Files appear whole in their place, and nothing else is ever replaced."""

import os
import stat

import pytest

from edge.contract.errors import ConfigError, OutputError
from edge.contract.files import replacing
from edge.loop.config import RunConfig
from edge.sinks.registry import SinkConfig


def test_a_file_appears_whole_in_new_folders_too(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as partial:
        partial.write_text("all")
        assert not path.exists() and partial.parent == path.parent and partial.suffix == ".txt"
    assert path.read_text() == "all" and [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_what_is_no_file_is_left_as_it_is(tmp_path):
    # Root may rename a file over /dev/null, and in a container everybody is root.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="pipe: cannot be written: it is a pipe or a device"), replacing(pipe):
        pytest.fail("nothing is begun")
    assert stat.S_ISFIFO(pipe.stat().st_mode) and list(tmp_path.iterdir()) == [pipe]


def test_through_a_link_the_file_that_it_names_is_written(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "latest.json"
    link.symlink_to(tmp_path / "disk" / "3.data")
    for text in ("first", "second"):
        with replacing(link) as partial:
            assert partial.suffix == ".json"  # by which video writers choose the container
            partial.write_text(text)
        assert link.is_symlink() and (tmp_path / "disk" / "3.data").read_text() == text


@pytest.mark.parametrize(("prefix", "more"), [("", ""), ("replay://", ""), ("file://", ""), ("", "?flip=vertical")])
def test_no_output_takes_the_place_of_the_source(tmp_path, monkeypatch, prefix, more):
    source = tmp_path / "clip.mp4"
    source.write_text("somebody's only copy")
    (tmp_path / "again.mp4").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    for out in ("clip.mp4", str(source), "again.mp4"):
        with pytest.raises(ConfigError, match="is the source itself"):
            RunConfig(f"{prefix}{source}{more}", tmp_path, sinks=SinkConfig(video=tmp_path / out))
    assert RunConfig(f"{prefix}{source}{more}", tmp_path, sinks=SinkConfig(video=tmp_path / "other.mp4"))
