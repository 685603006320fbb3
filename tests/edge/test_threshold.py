"""The threshold of "unknown" against examples computed by hand and a brute-force search."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tiny_bundle
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.bundle import MANIFEST, read_bundle, write_manifest
from edge.contract.errors import BundleError, ConfigError, DataError
from edge.contract.files import atomic_write
from edge.contract.types import UNKNOWN
from edge.recognition.decisions import DEFAULT_MIN_SCORE, calibrated_min_score
from edge.recognition.recogniser import RecogniserConfig, open_recogniser
from edge.threshold import ThresholdConfig, find_threshold, threshold

NOBODY = np.zeros(0, np.float32)


def found(scores, right, strangers=(), wanted=0.75):
    return find_threshold(np.array(scores, np.float32), np.array(right, bool), np.array(strangers, np.float32), wanted)


def test_it_is_the_lowest_threshold_with_enough_right_decisions():
    # Right, right, wrong, right, wrong: 1/1, 2/2, 2/3, 3/4, 3/5.
    given = found([0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 1, 0])
    assert 0.5 < given.min_score <= 0.6 and given.right == 0.75 and given.decided == 0.8 and given.rejected is None


def test_decisions_about_strangers_count_as_wrong():
    given = found([0.9, 0.8, 0.7, 0.6], [1, 1, 1, 1], strangers=[0.85, 0.65, 0.1])
    # 1/1, 1/2 (stranger), 2/3, 3/4, 3/5 (stranger), 4/6, 4/7.
    assert 0.65 < given.min_score <= 0.7 and given.right == 0.75 and given.rejected == pytest.approx(2 / 3)


def test_a_stranger_at_the_threshold_is_not_rejected():
    given = found([0.9, 0.8, 0.7], [1, 1, 1], strangers=[0.7, 0.1])
    assert 0.1 < given.min_score <= 0.7 and given.right == 0.75 and given.rejected == 0.5


def test_clips_of_equal_score_are_decided_together():
    with pytest.raises(DataError, match=r"the best one 66\.7 %"):
        found([0.5, 0.5, 0.5], [1, 1, 0])


cases = st.lists(st.tuples(st.sampled_from([0.2, 0.3, 0.4, 0.55, 0.7, 0.9]), st.booleans()), min_size=1, max_size=30)


@given(cases, st.sampled_from([0.5, 0.75, 0.9]))
def test_it_equals_a_brute_force_search(clips, wanted):
    scores, right = (np.array(column) for column in zip(*clips, strict=True))
    good = [t for t in set(scores) if right[scores >= t].mean() >= wanted]
    if not good:
        with pytest.raises(DataError):
            found(scores, right, wanted=wanted)
        return
    given = found(scores, right, wanted=wanted)
    assert given.min_score == pytest.approx(min(good), abs=2e-4) and given.min_score <= np.float32(min(good))
    assert given.right == pytest.approx(right[scores >= min(good)].mean())


def test_the_command_writes_it_to_the_bundle_and_the_loop_uses_it(tmp_path):
    folder = tiny_bundle.make(tmp_path / "bundle")
    bundle = read_bundle(folder)
    assert calibrated_min_score(bundle) == DEFAULT_MIN_SCORE
    rng = np.random.default_rng(0)
    clips = (rng.standard_normal((60, 3, 32, 13, 1)) + 2 * rng.standard_normal((60, 3, 1, 1, 1))).astype(np.float32)
    rows = open_recogniser(bundle, RecogniserConfig(threads=1)).recognise(clips)
    # The half of the decisions with the higher scores is right, the other half wrong.
    best, median = rows.argmax(1), np.median(rows.max(1))
    labels = np.where(rows.max(1) >= median, best, (best + 1) % 4)
    np.savez(tmp_path / "test.npz", clips=clips, labels=labels)
    threshold(ThresholdConfig(folder, tmp_path / "test.npz", right=1.0))
    again = read_bundle(folder)
    assert calibrated_min_score(again) == pytest.approx(median, abs=0.05) and "decisions.json" in again.manifest.files
    written = json.loads((folder / "decisions.json").read_text())
    assert written["right"] == 1.0 and written["decided"] == 0.5 and written["clips"] == 60


def test_what_another_command_writes_meanwhile_stays(tmp_path):
    folder = tiny_bundle.make(tmp_path / "bundle")
    clips = 2 * np.random.default_rng(0).standard_normal((20, 3, 1, 1, 1)) * np.ones((32, 13, 1))
    np.savez(tmp_path / "test.npz", clips=clips.astype(np.float32), labels=np.arange(20) % 4)
    before = (folder / MANIFEST).read_text()
    with ThreadPoolExecutor() as pool:
        with atomic_write(folder / MANIFEST) as others:
            waits = pool.submit(threshold, ThresholdConfig(folder, tmp_path / "test.npz", right=0.01))
            time.sleep(1.0)
            others.write_text(before.replace("top1: 0.25", "top1: 0.75"))
        waits.result()
    found = read_bundle(folder).manifest
    assert found.accuracy == {"fp32": {"top1": 0.75}} and "decisions.json" in found.files


def test_an_output_unknown_is_no_decision_and_clips_of_that_class_are_strangers(tmp_path):
    folder = tiny_bundle.make(tmp_path / "bundle", classes=("squat", "wave", UNKNOWN, "jump"))
    rng = np.random.default_rng(0)
    clips = (rng.standard_normal((80, 3, 32, 13, 1)) + 2 * rng.standard_normal((80, 3, 1, 1, 1))).astype(np.float32)
    rows = open_recogniser(read_bundle(folder), RecogniserConfig(threads=1)).recognise(list(clips))
    best, score = rows.argmax(1), rows.max(1)
    assert 5 < (best == 2).sum() < 75
    # A quarter of the clips are strangers; the outputs for the others are right.
    strange = np.arange(80) % 4 == 1
    np.savez(tmp_path / "test.npz", clips=clips, labels=np.where(strange, 2, np.where(best == 2, 0, best)))
    threshold(ThresholdConfig(folder, tmp_path / "test.npz", right=0.6))
    written = json.loads((folder / "decisions.json").read_text())
    decided = (best != 2) & (score >= written["min_score"])
    assert (written["clips"], written["strangers"]) == (60, 20)
    assert written["right"] == pytest.approx((~strange)[decided].mean()) and written["right"] >= 0.6
    assert written["decided"] == pytest.approx(decided[~strange].mean())
    assert written["rejected"] == pytest.approx((~decided)[strange].mean())
    # The same clips as a separate file of strangers give the same result.
    np.savez(tmp_path / "known.npz", clips=clips[~strange], labels=np.where(best == 2, 0, best)[~strange])
    np.savez(tmp_path / "strangers.npz", clips=clips[strange])
    threshold(ThresholdConfig(folder, tmp_path / "known.npz", tmp_path / "strangers.npz", right=0.6))
    assert json.loads((folder / "decisions.json").read_text()) == written


def test_a_file_without_a_valid_threshold_is_refused(tmp_path):
    folder = tiny_bundle.make(tmp_path)
    for text in ("{}", "[]", '{"min_score": "high"}', '{"min_score": 1.01}', '{"min_score": -0.01}', "no"):
        (folder / "decisions.json").write_text(text)
        write_manifest(folder, read_bundle(folder).manifest)
        with pytest.raises(BundleError, match="threshold"):
            calibrated_min_score(read_bundle(folder))


@pytest.mark.parametrize("right", [0, 1.1])
def test_a_share_that_cannot_be_is_refused(tmp_path, right):
    with pytest.raises(ConfigError, match="give a number in"):
        ThresholdConfig(tmp_path, tmp_path, right=right)


@pytest.mark.parametrize(
    ("clips", "right", "few"), [(9, 0.9, True), (10, 0.9, False), (19, 0.95, True), (4, 1.0, False)]
)
def test_too_few_clips_to_tell_the_share_are_a_warning(tmp_path, capsys, clips, right, few):
    folder = tiny_bundle.make(tmp_path / "bundle", classes=("squat", "wave", UNKNOWN, "jump"))
    made = 2 * np.random.default_rng(0).standard_normal((80, 3, 1, 1, 1)) * np.ones((32, 13, 1))
    recogniser = open_recogniser(read_bundle(folder), RecogniserConfig(threads=1))
    labels = recogniser.recognise(list(made.astype(np.float32))).argmax(1)
    # Clips of no action do not make up for those that lack.
    kept = np.concatenate([np.flatnonzero(labels != 2)[:clips], np.flatnonzero(labels == 2)[:20]])
    assert len(kept) > clips + 10
    np.savez(tmp_path / "test.npz", clips=made[kept], labels=labels[kept])
    threshold(ThresholdConfig(folder, tmp_path / "test.npz", right=right))
    assert (f"warning: {clips} clips are too few" in capsys.readouterr().err) is few
