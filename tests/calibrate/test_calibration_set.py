from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_input.table import avi_with_a_damaged_frame
from hypothesis import given
from hypothesis import strategies as st

from calibrate.calibration_set import clips_for, per_class, stratified
from calibrate.images import alternating, evenly_spaced
from edge.contract.bundle import read_bundle
from edge.contract.errors import ConfigError, DataError, SourceError

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=80).map(lambda values: np.array(values, np.int64))


@given(labels=LABELS, count=st.integers(1, 100), seed=st.integers(0, 3))
def test_a_stratified_choice_is_as_even_as_class_sizes_allow(labels: np.ndarray, count: int, seed: int) -> None:
    ids = stratified(labels, count, seed)
    assert len(ids) == min(count, len(labels))
    assert (np.diff(ids) > 0).all()
    available = {c: int((labels == c).sum()) for c in set(labels.tolist())}
    chosen = {c: int((labels[ids] == c).sum()) for c in available}
    # A class has two fewer than the largest share only if it has no more clips.
    assert all(n == available[c] or n >= max(chosen.values()) - 1 for c, n in chosen.items())


@given(labels=LABELS, count=st.integers(1, 40))
def test_the_same_seed_chooses_the_same(labels: np.ndarray, count: int) -> None:
    np.testing.assert_array_equal(stratified(labels, count, 7), stratified(labels, count, 7))


def test_another_seed_chooses_other_clips() -> None:
    labels = np.zeros(1000, np.int64)
    assert not np.array_equal(stratified(labels, 20, 0), stratified(labels, 20, 1))
    # Of more classes than samples, too, and not always the first ones.
    assert len({int(stratified(np.arange(9), 1, seed)[0]) for seed in range(40)}) > 5
    with pytest.raises(ConfigError, match="samples 0 and seed 1 are out of range"):
        stratified(labels, 0, 1)


def test_clips_are_counted_per_class_with_json_keys() -> None:
    assert per_class(np.array([2, 0, 2])) == {"0": 1, "2": 2}


@pytest.mark.parametrize("ids", [np.arange(3), np.zeros(2), np.array(5)])
def test_ids_that_do_not_fit_the_clips_are_refused(bundle: Path, tmp_path: Path, ids: np.ndarray) -> None:
    clips = np.zeros((2, *read_bundle(bundle).manifest.input_shape[1:]), np.float32)
    np.savez(tmp_path / "calibration.npz", clips=clips, labels=[0, 1], ids=ids)
    with pytest.raises(DataError, match=r"calibration\.npz: ids are .+, which do not fit 2 clips"):
        clips_for(read_bundle(bundle), tmp_path / "calibration.npz")


def test_ids_are_those_of_the_file_or_its_order(bundle: Path, tmp_path: Path) -> None:
    clips = np.zeros((2, *read_bundle(bundle).manifest.input_shape[1:]), np.float32)
    for ids, found in (({"ids": [7, 3]}, [7, 3]), ({}, [0, 1])):
        np.savez(tmp_path / "calibration.npz", clips=clips, labels=[0, 1], **ids)
        assert clips_for(read_bundle(bundle), tmp_path / "calibration.npz").ids.tolist() == found


def test_images_of_a_folder_are_evenly_spaced_in_natural_order(tmp_path: Path) -> None:
    for number in range(11):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((4, 6, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._0.png").write_bytes(b"beside 0.png, as macOS writes it")
    found = evenly_spaced(tmp_path, 6)
    assert [(i, int(p[0, 0, 0])) for i, p in found] == [(n, n) for n in (0, 2, 4, 6, 8, 10)]


def test_images_for_evaluation_lie_between_those_for_calibration(tmp_path: Path) -> None:
    for number in range(10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((4, 6, 3), number, np.uint8))
    (tmp_path / "7.png").write_bytes(b"damaged")
    chosen, between = alternating(tmp_path, 5)
    assert [i for i, _ in chosen] == [0, 2, 4, 6, 9] and [i for i, _ in between] == [1, 3, 5, 8]
    for number in range(1, 10):
        (tmp_path / f"{number}.png").unlink()
    assert [[i for i, _ in part] for part in alternating(tmp_path, 5)] == [[0], [0]]
    with pytest.raises(ConfigError, match="at least 1"):
        evenly_spaced(tmp_path, 0)


def test_frames_of_a_video_are_evenly_spaced_from_first_to_last(shared_data: Path) -> None:
    found = evenly_spaced(shared_data / "media/pose2sim_single_cam01.mp4", 5)
    assert [i for i, _ in found] == [0, 24, 49, 74, 99]
    assert all(p.dtype == np.uint8 and p.ndim == 3 for _, p in found)
    assert np.abs(found[0][1].astype(int) - found[-1][1]).mean() > 1


def test_a_source_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    (tmp_path / "huge.png").write_bytes(b"P5 100000 100000 255\n")  # as PGM; OpenCV goes by the content
    avi = avi_with_a_damaged_frame(tmp_path)
    for source in (tmp_path, tmp_path / "clip.mp4", tmp_path / "absent.mp4", avi):
        with pytest.raises(SourceError, match="no image"):
            evenly_spaced(source, 3)
