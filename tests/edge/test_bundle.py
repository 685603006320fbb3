"""A bundle is used intact, or refused with one clear line."""

import hashlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_bundle import GIVEN

from edge.contract.bundle import MANIFEST, REFERENCE, STUDENT_FP32, read_bundle, write_manifest
from edge.contract.errors import BundleError
from edge.contract.files import atomic_write

ROOT = Path(__file__).parents[2]


def test_what_was_written_is_read(folder):
    bundle = read_bundle(folder)
    assert replace(bundle.manifest, files={}) == GIVEN
    assert set(bundle.manifest.files) == {STUDENT_FP32, REFERENCE}
    assert bundle.file(STUDENT_FP32) == folder / STUDENT_FP32
    assert bundle.layout.name == "penn-13"
    assert bundle.reference()["clips"].shape == (2, 3, 32, 13, 1)


def test_clips_stored_in_half_precision_are_read_as_the_network_takes_them(folder):
    stored = np.random.default_rng(0).standard_normal((2, 3, 32, 13, 1)).astype(np.float16)
    np.savez(folder / REFERENCE, clips=stored, logits=np.zeros((2, 3), np.float32))
    write_manifest(folder, GIVEN)
    read = read_bundle(folder).reference()
    assert {array.dtype.name for array in read.values()} == {"float32"}
    np.testing.assert_array_equal(read["clips"], stored)


@pytest.mark.parametrize(
    ("clips", "logits"),
    [
        ((0, 3, 32, 13, 1), (0, 3)),
        ((2, 3, 16, 13, 1), (2, 3)),
        ((2, 3, 32, 13, 1), (2, 4)),
        ((2, 3, 32, 13, 1), (1, 3)),
        ((), (2, 3)),
    ],
)
def test_a_reference_that_does_not_fit_the_student_is_refused(folder, clips, logits):
    np.savez(folder / REFERENCE, clips=np.zeros(clips, np.float32), logits=np.zeros(logits, np.float32))
    write_manifest(folder, GIVEN)
    with pytest.raises(BundleError, match="do not fit the student"):
        read_bundle(folder).reference()


@pytest.mark.parametrize(("clips", "logits"), [(np.zeros(1, int), np.zeros(1)), (np.zeros(1), np.full(1, 1e300))])
def test_numbers_that_float32_does_not_hold_are_refused_without_a_warning(folder, clips, logits):
    np.savez(folder / REFERENCE, clips=np.resize(clips, (2, 3, 32, 13, 1)), logits=np.resize(logits, (2, 3)))
    write_manifest(folder, GIVEN)
    with pytest.raises(BundleError, match="not finite numbers"):
        read_bundle(folder).reference()


def test_the_manifest_lists_the_sha256_and_size_that_other_tools_compute(folder):
    entry = yaml.safe_load((folder / MANIFEST).read_text())["files"][STUDENT_FP32]
    assert entry == {"sha256": hashlib.sha256(b"not a graph").hexdigest(), "bytes": 11}


def test_writing_the_manifest_again_takes_in_new_files(folder):
    (folder / "calibration.json").write_text("{}")
    write_manifest(folder, read_bundle(folder).manifest)
    assert "calibration.json" in read_bundle(folder).manifest.files
    assert sorted(path.name for path in folder.iterdir() if "partial" in path.name) == []


def test_what_a_device_built_and_what_a_killed_run_left_are_no_part_of_the_bundle(folder):
    for name in ("student.engine", "student.engine.json", "student.int8.partial.onnx", "decisions.partial.json"):
        (folder / name).write_text("{}")
    (folder / "old.onnx").mkdir()
    write_manifest(folder, read_bundle(folder).manifest)
    assert set(read_bundle(folder).manifest.files) == {STUDENT_FP32, REFERENCE}


def test_a_file_that_another_process_replaces_meanwhile_is_listed_as_it_is_then(folder):
    with ThreadPoolExecutor() as pool:
        with atomic_write(folder / MANIFEST) as others:
            waits = pool.submit(write_manifest, folder, GIVEN)
            time.sleep(0.5)
            (folder / STUDENT_FP32).write_bytes(b"another graph")
            others.write_text("the other's")
        waits.result()
    assert read_bundle(folder).file(STUDENT_FP32).read_bytes() == b"another graph"


def test_fields_that_another_process_changes_meanwhile_keep_its_values(folder):
    before = (folder / MANIFEST).read_text()
    with ThreadPoolExecutor() as pool:
        with atomic_write(folder / MANIFEST) as others:
            waits = pool.submit(write_manifest, folder, lambda present: replace(present, training={"seed": 1}))
            time.sleep(0.5)
            others.write_text(before.replace("top1: 0.91", "top1: 0.95"))
        waits.result()
    found = read_bundle(folder).manifest
    assert found.training == {"seed": 1} and found.accuracy == {"fp32": {"top1": 0.95}}


REPLACED = """
import os, resource, signal, sys
from dataclasses import replace
from pathlib import Path
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import OutputError

folder, made, full, last = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "full", int(sys.argv[4])
opened = 0

def watch(event, about):
    global opened
    if event == "open" and str(about[0]).startswith(f"{folder}/") and about[2] & (os.O_WRONLY | os.O_RDWR):
        opened += 1
        if opened == last:
            print("reached", flush=True)
            if not full:
                os.kill(os.getpid(), signal.SIGKILL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5))

manifest = read_bundle(folder).manifest
sys.addaudithook(watch)
try:
    write_manifest(folder, replace(manifest, name="new"), made, ["notes.json"])
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("how", ["killed", "full"])
def test_a_bundle_is_the_old_one_until_all_of_the_new_one_is_written(folder, tmp_path_factory, how):
    (folder / "notes.json").write_text("{}")
    write_manifest(folder, GIVEN)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    made, writes = tmp_path_factory.mktemp("made"), 0
    (made / STUDENT_FP32).write_bytes(b"another graph")
    (made / REFERENCE).write_bytes(b"other clips")
    while True:
        arguments = [sys.executable, "-c", REPLACED, str(folder), str(made), how, str(writes + 1)]
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert not done.stderr
        if "reached" not in done.stdout:
            break
        writes += 1
        left = {path.name: path.read_bytes() for path in folder.iterdir() if "partial" not in path.name}
        assert left == before and ("cannot be written: File too large" in done.stdout) == (how == "full")
        assert how == "killed" or not list(folder.glob("*partial*"))
    assert writes == 6, "each of three files is locked, then written"
    bundle = read_bundle(folder)
    assert bundle.manifest.name == "new" and set(bundle.manifest.files) == {STUDENT_FP32, REFERENCE}
    assert bundle.file(STUDENT_FP32).read_bytes() == b"another graph"
    assert bundle.file(REFERENCE).read_bytes() == b"other clips"
    assert {path.name for path in folder.iterdir()} == {STUDENT_FP32, REFERENCE, MANIFEST, "notes.txt"}


@pytest.mark.parametrize("content", [b"NOT a graph", b"not a graph, longer", b""])
def test_an_altered_file_is_refused_when_used(folder, content):
    (folder / STUDENT_FP32).write_bytes(content)
    bundle = read_bundle(folder)
    with pytest.raises(BundleError, match="sha256 differs"):
        bundle.file(STUDENT_FP32)
    assert bundle.file(REFERENCE).is_file()


def test_a_file_on_a_worn_card_is_reported(folder):
    file = folder / STUDENT_FP32
    file.write_bytes(b"")
    write_manifest(folder, read_bundle(folder).manifest)
    file.unlink()
    file.symlink_to("/proc/self/mem")  # of no length, and to read its begin is an input/output error
    with pytest.raises(BundleError, match=rf"{STUDENT_FP32}: cannot be read: Input/output error"):
        read_bundle(folder).file(STUDENT_FP32)


def test_a_missing_file_and_one_that_was_never_listed_are_distinguished(folder):
    (folder / STUDENT_FP32).unlink()
    bundle = read_bundle(folder)
    with pytest.raises(BundleError, match="file is missing"):
        bundle.file(STUDENT_FP32)
    with pytest.raises(BundleError, match=r"contains no pose\.onnx; it contains reference\.npz, student\.onnx"):
        bundle.file("pose.onnx")
