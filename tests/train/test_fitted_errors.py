"""Applying fitted errors: independent of the frame rate, equal to frame-by-frame simulation."""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.errors import ConfigError, DataError, LayoutError
from edge.contract.preprocess import Preprocessing, clip_tensor
from tests.train.known_errors import FLAWLESS, KNOWN, PENN, errors, person
from train.data.clip import SkeletonClip, SkeletonSet
from train.data.corruption.fitted_errors import Bursts, JointErrors, apply_fitted_errors, read_errors, write_errors
from train.data.corruption.temporal_noise import ar1_noise, markov_bursts
from train.data.pairs import PairConfig, PairDataset


@settings(max_examples=20)
@given(
    st.floats(0.02, 0.6), st.floats(0.2, 2.0), st.sampled_from([7.5, 15.0, 30.0, 60.0]), st.sampled_from([15.0, 25.0])
)
def test_share_and_duration_of_bursts_are_independent_of_the_frame_rate(
    share: float, mean_s: float, fps: float, fitted_fps: float
) -> None:
    kind = Bursts(share, max(mean_s, 1.3 / (1 - share) / fitted_fps))
    run, finer = kind.mean_run(fitted_fps, fps), kind.mean_run(fitted_fps, 2 * fps)
    if fps == fitted_fps:
        assert run == pytest.approx(kind.mean_s * fps)
    # Two steps of the chain at twice the rate: on at both, or off and on again.
    stop, start = 1 / finer, share / (1 - share) / finer
    assert 1 / run == pytest.approx(1 - ((1 - stop) ** 2 + stop * start))


def test_bursts_equal_the_markov_chain_stepped_frame_by_frame() -> None:
    draws, share, run = np.random.default_rng(1).random((500, 3)), np.array([0.1, 0.5, 0.0]), np.array([4.0, 2.0, 1.0])
    stop = 1 / run
    start = stop * share / (1 - share)
    expected = np.empty((500, 3), bool)
    expected[0] = draws[0] < share
    for t in range(1, 500):
        expected[t] = np.where(expected[t - 1], draws[t] >= stop, draws[t] < start)
    assert np.array_equal(markov_bursts(draws, share, run), expected)


def test_ar1_noise_equals_the_recursion_stepped_frame_by_frame() -> None:
    noise = np.random.default_rng(2).normal(0, 1, (50, 3, 2))
    expected = noise.copy()
    for t in range(1, 50):
        expected[t] = 0.7 * expected[t - 1] + np.sqrt(1 - 0.49) * noise[t]
    np.testing.assert_allclose(ar1_noise(noise, 0.7), expected, rtol=1e-12)
    assert np.array_equal(ar1_noise(noise[:1], 0.7), noise[:1])


def test_fitted_errors_do_not_modify_the_input_or_reveal_joints_and_none_change_nothing() -> None:
    good = person(200)
    good[:, PENN.joints.index("left_wrist")] = 0
    before = good.copy()
    out = apply_fitted_errors(good, PENN, KNOWN, 15.0, np.random.default_rng(0))
    assert np.array_equal(good, before) and not out[:, PENN.joints.index("left_wrist")].any()
    assert not np.array_equal(out, good)
    for none in (errors(), replace(errors(), swaps={})):
        assert np.array_equal(apply_fitted_errors(good, PENN, none, 15.0, np.random.default_rng(0)), good)


@pytest.mark.parametrize("kind", ["jitter", "bias"])
def test_axes_differ_and_noise_without_a_duration_is_white(kind: str) -> None:
    # A tenth of the torso of 100 pixels.
    made = errors(replace(FLAWLESS, **{kind: 0.1}))
    off = (apply_fitted_errors(person(3000), PENN, made, 15.0, np.random.default_rng(0)) - person(3000))[..., :2]
    if kind == "bias":
        assert np.ptp(off, axis=0).max() < 1e-3
        assert np.sqrt((off[0] ** 2).mean()) == pytest.approx(10, rel=0.3) and not np.allclose(*off[0].T, atol=1)
    else:
        assert off.std() == pytest.approx(10, rel=0.02)
        for one, other in ((off[..., 0], off[..., 1]), (off[1:], off[:-1])):
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_a_file_keeps_the_errors_to_four_decimals(tmp_path: Path) -> None:
    path = tmp_path / "errors.yaml"
    made = replace(KNOWN, source={"videos": 2}, swaps={"knee": Bursts(1, 100.0)})
    write_errors(path, replace(made, lost=Bursts(0.08003, 0.49996)))
    read = read_errors(path)
    assert asdict(read) == asdict(made) and list(read.joints) == list(PENN.joints)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 9}, "not of format 1"),
        ({"lost": {"share": 1.5, "mean_s": 0.1}}, "lost: share is 1.5"),
        ({"lost": {"share": -0.5, "mean_s": 0.1}}, "lost: share is -0.5"),
        ({"lost": {"share": 0.5, "mean_s": -0.1}}, "lost: mean_s is -0.1"),
        ({"joints": None}, "joints must be a mapping"),
        ({"fps": 0}, "errors.yaml: fps is 0"),
        ({"fps": "fast"}, "fps must be a number, not fast"),
        ({"joints": {"head": {"jitter": 1}}}, "joints.head.bias' is missing"),
        ({"joints": {"head": {**asdict(FLAWLESS), "jitter": -0.1}}}, "joints.head: jitter is -0.1"),
        ({"joints": {"head": {**asdict(FLAWLESS), "jitter_s": math.inf}}}, "joints.head: jitter_s is inf"),
        ({"joints": {"head": {**asdict(FLAWLESS), "bias": math.nan}}}, "joints.head: bias is nan"),
        ({"lost": {"share": 0.5, "mean_s": float("inf")}}, "lost: mean_s is inf"),
        ({"lost": {"share": 0.5, "mean_s": 1e300}}, "lost: mean_s is 1e\\+300"),
        ({"fps": math.inf}, "fps is inf"),
    ],
)
def test_an_invalid_file_is_a_data_error(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "errors.yaml"
    write_errors(path, KNOWN)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    with pytest.raises(DataError, match=said):
        read_errors(path)


def walks(frames: int = 64) -> SkeletonSet:
    clip = SkeletonClip("a", 0, person(frames)[None, ..., :2], np.ones((1, frames, 13), bool), 30.0, False)
    return SkeletonSet("still", ("stand",), "penn-13", (clip, replace(clip, id="b")), "by hand")


def test_pairs_are_corrupted_by_the_given_file(tmp_path: Path) -> None:
    path = tmp_path / "errors.yaml"
    write_errors(path, errors(left_wrist=JointErrors(Bursts(0.9, 100.0), 0.0, 0.0, 0.0)))
    how = Preprocessing(length_frames=16, fps=16.0)
    for poor in ("auto", "fitted"):
        drawn = PairDataset(walks(), PairConfig(how, poor=poor, fitted_errors=str(path)), train=False, seed=0)  # type: ignore[arg-type]
        low, high = drawn.draw(0)
        wrist = PENN.joints.index("left_wrist")
        assert not low[2, :, wrist].any() and high[2].all()
        assert np.array_equal(np.delete(low, wrist, 2), np.delete(high, wrist, 2))
    low, _ = PairDataset(
        walks(), PairConfig(how, poor="drop", drop=0.0, fitted_errors=str(path)), train=False, seed=0
    ).draw(0)
    assert low[2].all()


def test_pairs_are_corrupted_at_the_frame_rate_of_the_clip(tmp_path: Path) -> None:
    write_errors(tmp_path / "errors.yaml", KNOWN)
    how = Preprocessing(length_frames=16, fps=40.0)
    config = PairConfig(how, fitted_errors=str(tmp_path / "errors.yaml"))
    low, _ = PairDataset(walks(), config, train=False, seed=3).draw(1)
    expected = apply_fitted_errors(person(16), PENN, KNOWN, 40.0, np.random.default_rng((3, 1)))
    np.testing.assert_allclose(low, clip_tensor([(expected, np.arange(16) / 40)], PENN, how), atol=1e-5)


def test_fitted_errors_of_other_joints_or_without_a_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "errors.yaml"
    write_errors(path, KNOWN)
    with pytest.raises(LayoutError, match="clips of coco-17 also need nose; fit them with --layout coco-17"):
        PairDataset(walks(), PairConfig(layout="coco-17", fitted_errors=str(path)), train=False, seed=0)
    with pytest.raises(ConfigError, match="needs a file of fitted errors"):
        PairDataset(walks(), PairConfig(poor="fitted"), train=False, seed=0)
    with pytest.raises(DataError, match="no such file of fitted errors"):
        PairDataset(walks(), PairConfig(fitted_errors=str(tmp_path / "other.yaml")), train=False, seed=0)
