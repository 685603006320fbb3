"""Datasets by name, and the merged set of everyday actions."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skeleton_files import standing, write_ntu

from edge.contract.errors import ConfigError, DataError
from edge.contract.layouts import layout
from edge.contract.types import UNKNOWN
from train.data.clip import Recording, SkeletonClip, SkeletonSet
from train.data.configuration import DataConfig
from train.data.pairs import PairConfig, PairDataset
from train.data.registry import DATASETS, read_dataset


@pytest.fixture(scope="module")
def everyday(shared_data: Path) -> SkeletonSet:
    return read_dataset(DataConfig(dataset="everyday", folder=shared_data))


def test_everyday_classes_are_unique_and_each_is_in_both_parts(everyday: SkeletonSet) -> None:
    assert len(set(everyday.classes)) == len(everyday.classes)
    for train in (True, False):
        held = {everyday.classes[clip.label] for clip in everyday.part(train)}
        assert held == set(everyday.classes)


NAMES = {1: "swipe", 2: "swipe", 9: "draw_circle", 10: "draw_circle", 15: "tennis_forehand", 22: "jog", 23: "walk"}


def test_everyday_merges_classes_with_different_names(everyday: SkeletonSet) -> None:
    assert everyday.classes[-1] == UNKNOWN
    for clip in everyday.clips:
        if (named := re.fullmatch(r"utd-a(\d+)-s\d-t\d", clip.id)) and (name := NAMES.get(int(named.group(1)))):
            assert everyday.classes[clip.label] == name
    assert {"bowl", "tennis_forehand", "swipe", "draw_circle", "walk", "jog", "stand"} <= set(everyday.classes)
    gone = {"bowling", "tennis_swing", "swipe_left", "swipe_right", "walk_in_place", "jog_in_place"}
    assert not gone & set(everyday.classes)
    sources = Counter(clip.id.split("-")[0] for clip in everyday.clips if everyday.classes[clip.label] == "bowl")
    assert sources["penn"] > 0 and sources["utd"] == 32, "8 people bowl four times in UTD-MHAD"


def test_everyday_clips_keep_the_split_of_their_own_set(everyday: SkeletonSet, shared_data: Path) -> None:
    train = {clip.id: clip.train for clip in everyday.clips}
    assert len(train) == len(everyday.clips), "ids are unique"
    for name in ("penn_action", "utd_mhad"):
        for clip in read_dataset(DataConfig(dataset=name, folder=shared_data)).clips:
            assert train[clip.id] == clip.train


def test_people_are_in_no_training_clip(everyday: SkeletonSet) -> None:
    def people(part: bool, source: str, which: int) -> set[str]:
        ids = [clip.id.split("-") for clip in everyday.part(part)]
        return {parts[which] for parts in ids if parts[0] == source}

    assert not people(True, "utd", 2) & people(False, "utd", 2)
    assert people(True, "kinematic", 3) and not people(True, "kinematic", 3) & people(False, "kinematic", 3)


def test_other_exercises_are_unknown_and_three_are_left_out(everyday: SkeletonSet) -> None:
    strange = [clip for clip in everyday.clips if everyday.classes[clip.label] == UNKNOWN]
    # Ten people did each exercise ten times correctly and ten times incorrectly.
    exercises = Counter(clip.id.split("-")[1] for clip in strange if clip.id.startswith("uiprmd"))
    assert exercises == {"m2": 200, "m7": 200, "m8": 200}
    people = {(clip.id.split("-")[2], clip.train) for clip in strange if clip.id.startswith("uiprmd")}
    assert people == {(f"s{n}", n % 2 == 1) for n in range(1, 11)}
    generated = (clip for clip in everyday.clips if clip.id.startswith("kinematic"))
    counts = Counter((everyday.classes[clip.label], "fidget" in clip.id) for clip in generated)
    actions = {(name, False): 240 for name in ("walk", "jog", "stand")}
    assert counts == {**actions, (UNKNOWN, True): 600}


def test_generated_people_are_the_same_in_every_training(everyday: SkeletonSet) -> None:
    """Those that the shipped student was trained on; the figures in benchmarks/ are about them."""
    joints = {clip.id: clip.joints for clip in everyday.clips}
    assert joints["kinematic-jog-0119-p29"].mean() == pytest.approx(-1.1086, abs=1e-4)
    assert joints["kinematic-walk-0239-p29"].mean() == pytest.approx(0.2116, abs=1e-4)
    assert joints["kinematic-fidget-0599-p29"].mean() == pytest.approx(0.3653, abs=1e-4)


def in_penn_13(clip: Recording | SkeletonClip, source: str, frames: slice = slice(None)) -> tuple[Any, Any, float]:
    order = list(layout(source).index(*layout("penn-13").joints))
    return clip.joints[:, frames, order], clip.seen[:, frames, order], clip.fps


def test_people_stand_or_sit_in_the_first_or_last_frames_of_recordings(
    everyday: SkeletonSet, shared_data: Path
) -> None:
    clips, found = {clip.id: clip for clip in everyday.clips}, set[str]()
    utd = read_dataset(DataConfig(dataset="utd_mhad", folder=shared_data))
    for number, clip in enumerate(utd.clips):
        action = utd.classes[clip.label]
        frames = slice(-8, None) if action == "stand_to_sit" else slice(8)
        name = "sit" if action in ("sit_to_stand", "stand_to_sit") else "stand"
        if name == "sit" or number % 3 == 0:
            still = clips[f"{clip.id}-{name}"]
            found.add(still.id)
            assert everyday.classes[still.label] == name and still.train == clip.train
            for one, other in zip(in_penn_13(still, "penn-13"), in_penn_13(clip, "kinect-20", frames), strict=True):
                np.testing.assert_array_equal(one, other)
    assert {name for name in clips if name.endswith(("-sit", "-stand"))} == found


def test_unknown_exercises_are_those_that_the_kinect_recorded(everyday: SkeletonSet, shared_data: Path) -> None:
    exercises = {clip.id: clip for clip in read_dataset(DataConfig(dataset="ui_prmd", folder=shared_data)).clips}
    for clip in everyday.clips:
        if clip.id.startswith("uiprmd"):
            recorded = exercises[clip.id].low
            assert recorded is not None and clip.low is None
            for one, other in zip(in_penn_13(clip, "penn-13"), in_penn_13(recorded, "kinect-22"), strict=True):
                np.testing.assert_array_equal(one, other)


def test_the_generator_needs_no_folder() -> None:
    data = read_dataset(DataConfig(clips_per_class=3))
    assert data.name == "kinematic" and len(data.clips) == 3 * len(data.classes)


def test_an_unknown_split_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"everyday has no split 'xsub'; leave --data\.split out"):
        read_dataset(DataConfig(dataset="everyday", folder=tmp_path, split="xsub"))


def test_split_cache_and_folder_reach_the_reader(tmp_path: Path) -> None:
    write_ntu(tmp_path / "ntu" / "S001C001P001R001A001.skeleton", [[standing()]])
    config = DataConfig("ntu60", tmp_path / "ntu", split="xview", cache=tmp_path / "cache")
    assert read_dataset(config).split.startswith("cross-view") and len(list((tmp_path / "cache").iterdir())) == 3


@pytest.mark.parametrize("bodies", [1, 2])
def test_clips_of_two_bodies_become_pairs_with_or_without_a_second_person(tmp_path: Path, bodies: int) -> None:
    frames = [[standing(body, seed=body + t) for body in range(bodies)] for t in range(40)]
    for camera in (1, 2):
        write_ntu(tmp_path / f"S001C00{camera}P001R001A001.skeleton", frames)
    data = read_dataset(DataConfig("ntu60", tmp_path, split="xview"))
    low, high, _ = PairDataset(data, PairConfig(), train=True, seed=0).batch(np.array([0]))
    assert low.shape == high.shape == (1, 3, 32, 25, 2) and np.isfinite(low).all()
    assert (high[..., 1] != 0).any() == (bodies == 2) and (high[..., 0] != 0).any()


def test_an_unknown_dataset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown dataset 'ntu'; known datasets: penn_action, utd_mhad"):
        read_dataset(DataConfig(dataset="ntu"))


@pytest.mark.parametrize("name", DATASETS)
def test_a_recorded_dataset_needs_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{name} needs a folder; give it with --data.folder"):
        read_dataset(DataConfig(dataset=name))
    told = r"no such dataset file|no pairs here|no .* file .* in this folder|no file such as"
    with pytest.raises(DataError, match=told) as caught:
        read_dataset(DataConfig(dataset=name, folder=tmp_path))
    # No flag: it is --data.folder for a training, --data for an export.
    assert "; give the f" in str(caught.value) and "--" not in str(caught.value)
