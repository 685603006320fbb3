"""Untrusted files are read unchanged, or refused with their name."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.errors import DataError
from edge.contract.reading import read_json, read_npz, read_yaml, wrap_read_errors

KEPT = {"clips": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "labels": np.array([1, 0])}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "clips.npz"
    np.savez_compressed(path, **KEPT)
    return path.read_bytes()


def same(found):
    return found.keys() == KEPT.keys() and all(np.array_equal(found[name], KEPT[name]) for name in KEPT)


@settings(max_examples=300)
@given(st.data())
def test_an_archive_with_bytes_changed_or_cut_is_read_as_it_was_or_refused(tmp_path_factory, archive, data):
    spoilt = bytearray(archive)
    for place in data.draw(st.lists(st.integers(0, len(archive) - 1), max_size=4)):
        spoilt[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "spoilt.npz"
    path.write_bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))])
    try:
        found = read_npz(path, DataError, "copy it again", ("clips", "labels"))
    except DataError as error:
        assert str(path) in str(error) and ";" in str(error)
    else:
        # A zip file has a checksum for every member, but not for its directory.
        assert same(found)


def test_an_intact_archive_is_read(tmp_path, archive):
    (tmp_path / "clips.npz").write_bytes(archive)
    assert same(read_npz(tmp_path / "clips.npz", DataError, "")) and list(
        read_npz(tmp_path / "clips.npz", DataError, "", ("labels",))
    ) == ["labels"]


def test_a_missing_array_is_named(tmp_path, archive):
    (tmp_path / "clips.npz").write_bytes(archive)
    with pytest.raises(DataError, match=r"clips\.npz: the file lacks 'ids'; it must contain clips, ids"):
        read_npz(tmp_path / "clips.npz", DataError, "", ("clips", "ids"))


def test_an_array_larger_than_memory_is_refused(tmp_path):
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 1024), }".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("clips.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    with pytest.raises(DataError, match=r"not a readable \.npz file"):
        read_npz(tmp_path / "huge.npz", DataError, "copy it again")


@pytest.mark.parametrize("read", [read_json, read_yaml])
@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff\xfe{\0}\0", b"7", b"{", b"\0", b"{a: 2026-13-45}"])
def test_text_without_a_mapping_is_refused(tmp_path, read, content):
    path = tmp_path / "a file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a file: .*; copy it again"):
        read(path, DataError, "copy it again")


@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_a_file_with_a_byte_order_mark_is_read(tmp_path, read):
    path = tmp_path / "a file"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"name": "Köln"}, indent=1).replace("\n", "\r\n").encode())
    assert read(path, DataError, "") == {"name": "Köln"}


def test_an_os_error_is_reported_with_a_hint(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match=r"cannot be read: .+; copy it again"):
            read_json(path, DataError, "copy it again")
    # As from a worn SD card: in the middle of a file, without a file name.
    with (
        pytest.raises(DataError, match="a: cannot be read: Input/output error"),
        wrap_read_errors(Path("a"), DataError, ""),
    ):
        raise OSError(5, "Input/output error")
