"""Parsing in several processes, and the cache of parsed clips."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skeleton_files import standing, write_ntu

from edge.contract.errors import DataError
from train.data.bodies import motion_spread
from train.data.clip import Recording, SkeletonClip, SkeletonSet, validated
from train.data.readers import cache, reading
from train.data.readers.ntu import read_ntu60
from train.data.readers.ntu_skeleton import sample
from train.data.readers.reading import ReadOptions, parse_files

NAMES = [f"S001C00{c}P001R001A00{a}" for c in (1, 2, 3) for a in (1, 2)]


def ntu(folder: Path) -> Path:
    for number, name in enumerate(NAMES):
        write_ntu(folder / f"{name}.skeleton", [[standing(seed=number)]] * (number + 1))
    return folder


def test_several_processes_give_the_results_of_one_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"S001C001P001R001A{n:03d}.skeleton" for n in range(1, 41)]
    monkeypatch.setattr(reading, "MIN_FILES_FOR_WORKERS", 1)
    assert list(parse_files(paths, sample, 2, "names")) == [sample(path) for path in paths]
    # An exception of another process is raised unchanged, and the others stop.
    with pytest.raises(DataError, match=r"odd\.skeleton: not a file name of NTU RGB\+D; remove it"):
        list(parse_files([*paths, tmp_path / "odd.skeleton"], sample, 2, "names"))


def test_worker_processes_do_not_import_pytorch() -> None:
    # A worker imports the main module and what its task needs.
    modules = "train.__main__, train.video_pairs.workers, train.data.registry"
    subprocess.run([sys.executable, "-c", f"import sys, {modules}; assert 'torch' not in sys.modules"], check=True)


def test_a_cache_gives_the_same_clips_without_parsing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, how = ntu(tmp_path / "ntu"), ReadOptions(cache=tmp_path / "cache")
    plain, written = read_ntu60(folder), read_ntu60(folder, how)
    monkeypatch.setattr("train.data.readers.ntu.read_skeleton", None)  # parsing now fails
    kept = read_ntu60(folder, how)
    for data in (written, kept):
        assert (data.classes, data.split, len(data.clips)) == (plain.classes, plain.split, len(plain.clips))
        for clip, other in zip(data.clips, plain.clips, strict=True):
            assert (clip.id, clip.label, clip.fps, clip.train) == (other.id, other.label, other.fps, other.train)
            assert np.array_equal(clip.joints, other.joints) and np.array_equal(clip.seen, other.seen)
            assert not clip.joints.flags.owndata and not clip.joints.flags.writeable


@pytest.mark.parametrize("change", ["content", "time", "one more", "one less", "list"])
def test_a_stale_cache_is_rebuilt(tmp_path: Path, change: str) -> None:
    folder, how = ntu(tmp_path / "ntu"), ReadOptions(cache=tmp_path / "cache")
    read_ntu60(folder, how)
    first = folder / f"{NAMES[0]}.skeleton"
    if change == "content":
        write_ntu(first, [[standing(seed=9)]] * 3)
    elif change == "time":
        text = first.read_text().replace("0.02764709", "0.02764700")
        first.write_text(text)
        os.utime(first, (1, 1))
    elif change == "one more":
        write_ntu(folder / "S001C001P001R002A001.skeleton", [[standing()]])
    elif change == "one less":
        first.unlink()
    else:
        (folder / "missing_skeletons.txt").write_text(NAMES[0])
    fresh, kept = read_ntu60(folder), read_ntu60(folder, how)
    assert [clip.id for clip in kept.clips] == [clip.id for clip in fresh.clips]
    assert all(np.array_equal(a.joints, b.joints) for a, b in zip(kept.clips, fresh.clips, strict=True))


@pytest.mark.parametrize("part", ["ntu60-xsub.joints", "ntu60-xsub.json"])
def test_a_damaged_cache_is_rebuilt(tmp_path: Path, part: str) -> None:
    folder, how = ntu(tmp_path / "ntu"), ReadOptions(cache=tmp_path / "cache")
    before = read_ntu60(folder, how)
    path = tmp_path / "cache" / part
    content = path.read_bytes()
    no_rate = content.replace(b'"fps": 30.0', b'"fps": null')
    path.unlink()  # clips loaded before still map the old file
    for damaged in (content[: len(content) // 2], content * 2, no_rate, b"[]", b"{}"):
        path.write_bytes(damaged)
        after = read_ntu60(folder, how)
        assert all(np.array_equal(a.joints, b.joints) for a, b in zip(before.clips, after.clips, strict=True))
        path.unlink()


def test_a_cache_of_no_clips_is_kept(tmp_path: Path) -> None:
    assert cache.cached_clips(tmp_path, "empty", [], list) == ()


def test_an_interrupted_cache_leaves_no_index(tmp_path: Path) -> None:
    folder, how = ntu(tmp_path / "ntu"), ReadOptions(cache=tmp_path / "cache")
    read_ntu60(folder, how)
    (folder / f"{NAMES[3]}.skeleton").write_text("5\n")
    with pytest.raises(DataError, match="the file ends"):
        read_ntu60(folder, how)
    assert not list((tmp_path / "cache").glob("*.json")) and not list((tmp_path / "cache").glob("*partial*"))
    assert cache.VERSION == 1


def test_the_spread_of_a_body_is_that_of_its_seen_joints_in_each_axis() -> None:
    joints = np.array([[[[0, 0, 0], [2, 4, 0], [9, 9, 9]]], [[[5, 5, 5]] * 3]], np.float32)
    seen = np.array([[[True, True, False]], [[False] * 3]])
    # Two points that are 2 apart in x and 4 in y have standard deviations of 1 and 2.
    assert motion_spread(joints, seen).tolist() == [3, 0]


def test_clips_of_one_and_of_two_bodies_make_a_set_of_two_bodies_in_both_recordings() -> None:
    def of(bodies: int) -> SkeletonClip:
        joints, seen = np.ones((bodies, 3, 13, 2), np.float32), np.ones((bodies, 3, 13), bool)
        return SkeletonClip(str(bodies), 0, joints, seen, 30.0, True, Recording(joints[:, :2], seen[:, :2], 20.0))

    one, two = of(1), of(2)
    padded, kept = validated(SkeletonSet("lab", ("wave",), "penn-13", (one, two), "", "penn-13")).clips
    for recording, frames in ((padded, 3), (padded.low, 2)):
        assert recording is not None and recording.joints.shape == (2, frames, 13, 2)
        assert recording.seen.tolist() == [[[True] * 13] * frames, [[False] * 13] * frames]
    assert kept is two and padded.low is not None and padded.low.fps == 20
    assert validated(SkeletonSet("lab", ("wave",), "penn-13", (one,), "", "penn-13")).clips[0] is one
