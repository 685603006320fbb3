"""Fitting estimator errors: counted by hand, and recovered from simulation."""

import re
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from edge.cli.command_line import run_command_line
from edge.contract.errors import DataError
from edge.contract.layouts import convert, layout
from edge.contract.types import Float32
from tests.train.known_errors import KNOWN, NEVER, PENN, person
from train.__main__ import COMMANDS
from train.data.corruption.fitted_errors import Bursts, FittedErrors, apply_fitted_errors, read_errors
from train.error_fit.measure import Observed, fit_errors
from train.video_pairs.manifest import Manifest, pair_file, write_manifest


def fit(good: Float32, poor: Float32, fps: float = 15.0) -> FittedErrors:
    return fit_errors([Observed(good, poor, fps)], PENN, 15.0, {})


def test_a_faster_recording_is_fitted_as_one_for_each_phase_and_a_slower_one_as_it_is() -> None:
    good, poor = person(7), person(7)
    good[:, 0, 0], poor[:, 0, 0] = np.arange(7), np.arange(7) + 10
    phases = Observed(good, poor, 29.0).at(15.0)
    assert [(one.good[:, 0, 0].tolist(), one.fps) for one in phases] == [([0, 2, 4, 6], 14.5), ([1, 3, 5], 14.5)]
    assert all(np.array_equal(one.poor[:, 0, 0], one.good[:, 0, 0] + 10) for one in phases)
    (whole,) = Observed(good, poor, 5.0).at(15.0)
    assert np.array_equal(whole.good, good) and whole.fps == 5


def test_shares_and_durations_of_bursts_match_counts_by_hand() -> None:
    poor = person(20)
    wrist = PENN.joints.index("left_wrist")
    # Unseen in 3 + 2 of 20 frames. Both bursts end within the recording: 2.5 frames on average.
    poor[4:7, wrist] = 0
    poor[10:12, wrist] = 0
    found = fit(person(20), poor)
    assert asdict(found.joints["left_wrist"].miss) == {"share": 0.25, "mean_s": pytest.approx(2.5 / 15)}
    assert found.joints["head"].miss == NEVER and found.lost == NEVER
    assert found.joints["left_wrist"].jitter == 0


def test_a_burst_that_the_recording_truncates_does_not_count_as_short() -> None:
    poor = person(30)
    poor[10:14, 0] = 0
    poor[24:, 0] = 0  # 3 + 1 steps with one end, then 5 steps without
    assert fit(person(30), poor).joints["head"].miss.mean_s == pytest.approx((3 + 1 + 5) / 15)
    poor = person(20)
    poor[19:, 0], poor[15:, 3] = 0, 0
    found = fit(person(20), poor)
    assert asdict(found.joints["head"].miss) == {"share": 1 / 20, "mean_s": pytest.approx(1 / 15)}, "at least a frame"
    assert asdict(found.joints["left_elbow"].miss) == {"share": 5 / 20, "mean_s": pytest.approx(4 / 15)}


def test_a_lost_body_is_not_a_missed_joint_and_frames_without_a_person_do_not_count() -> None:
    good, poor = person(40), person(40)
    poor[10:20] = 0
    good[30:] = poor[30:] = 0
    good[:5, 3] = 0  # the person is present all the same
    found = fit(good, poor)
    assert found.lost.share == pytest.approx(10 / 30) and found.lost.mean_s == pytest.approx(10 / 15)
    assert all(joint.miss == NEVER for joint in found.joints.values())


def test_swaps_are_detected_where_possible_and_do_not_count_as_jitter() -> None:
    good, poor = person(40), person(40)
    left, right = PENN.index("left_wrist", "right_wrist")
    poor[5:10, [left, right]] = poor[5:10, [right, left]]
    before = poor.copy()
    found = fit(good, poor)
    assert np.array_equal(poor, before)
    assert asdict(found.swaps["wrist"]) == {"share": 5 / 40, "mean_s": pytest.approx(5 / 15)}
    assert found.swaps["elbow"] == NEVER
    assert found.joints["left_wrist"].jitter == found.joints["left_wrist"].bias == 0
    good[20:, [left, right], 0] = [200, 225]  # hands a quarter torso apart: swaps cannot be detected any more
    poor = good.copy()
    poor[5:10, [left, right]] = poor[5:10, [right, left]]
    assert fit(good, poor).swaps["wrist"].share == pytest.approx(5 / 20)
    poor[20:30, [left, right]] = poor[20:30, [right, left]]
    found = fit(good[20:], poor[20:])
    assert found.swaps["wrist"] == NEVER and found.joints["left_wrist"].jitter > 0.05


def test_a_swap_needs_both_true_joints_and_one_estimate() -> None:
    left, right = PENN.index("left_wrist", "right_wrist")
    good = person(40) - person(1)[:, [left]] * (1, 1, 0)  # the left wrist is where unseen joints are
    poor = good.copy()
    poor[:5, left], poor[:5, right] = good[:5, right], 0
    poor[15:20, left, 0] -= 60  # of 150 pixels to the other wrist
    poor[15:20, right] = 0
    poor[5:10, [left, right]] = 0
    good[10:15, left] = 0
    assert fit(good, poor).swaps["wrist"].share == pytest.approx(5 / 30)


def test_a_constant_offset_is_a_bias_and_deviations_from_it_are_jitter() -> None:
    poor = person(100)
    poor[:, 0, 0] += 10 + 5 * np.where(np.arange(100) % 2, 1, -1)
    head = fit(person(100), poor).joints["head"]
    # A tenth of the torso along one of two axes, and a twentieth that changes sign at every frame.
    assert head.bias == pytest.approx(0.1 / np.sqrt(2)) and head.jitter == pytest.approx(0.05 / np.sqrt(2 * 99 / 100))
    assert head.jitter_s == 0
    poor[:, 0, 0] += 1000 * np.arange(100)
    assert fit(person(100), poor).joints["head"].jitter_s == 100, "a drift outlasts the recording"


def test_recordings_count_by_their_frames() -> None:
    near, far = person(10), person(30)
    near[:, 0, 0] += 10
    far[:, 0, 0] += 20
    found = fit_errors([Observed(person(10), near, 15.0), Observed(person(30), far, 10.0)], PENN, 15.0, {})
    # Along one of two axes, a tenth of the torso in a quarter of the frames, and a fifth in the others.
    assert found.joints["head"].bias == pytest.approx(np.sqrt((0.1**2 / 4 + 0.2**2 * 3 / 4) / 2)) and found.fps == 12.5


@pytest.mark.parametrize("fps", [15.0, 30.0])
def test_known_errors_are_recovered_from_simulated_recordings(fps: float) -> None:
    rng = np.random.default_rng(0)
    good = person(round(60 * fps))
    real = [Observed(good, apply_fitted_errors(good, PENN, KNOWN, fps, rng), fps) for _ in range(60)]
    found = fit_errors(real, PENN, 15.0, {})
    assert found.fps == 15
    assert found.lost.share == pytest.approx(0.08, rel=0.1) and found.lost.mean_s == pytest.approx(0.5, rel=0.1)
    for name, joint in found.joints.items():
        known = KNOWN.joints[name]
        assert joint.miss.share == pytest.approx(known.miss.share, rel=0.15), name
        assert joint.miss.mean_s == pytest.approx(known.miss.mean_s, rel=0.12), name
        assert joint.jitter == pytest.approx(known.jitter, rel=0.05), name
        assert joint.jitter_s == pytest.approx(known.jitter_s, rel=0.12), name
        assert joint.bias == pytest.approx(known.bias, rel=0.25), name
    for name, swap in found.swaps.items():
        # All pairs are at least 40 pixels apart; 30 of a torso of 100 suffice to detect a swap.
        assert swap.share == pytest.approx(0.05, rel=0.2), name
        assert swap.mean_s == pytest.approx(0.3, rel=0.15), name


def test_a_joint_never_seen_by_both_cannot_be_fitted() -> None:
    poor = person(40)
    poor[9:, 3] = 0
    with pytest.raises(DataError, match="left_elbow was never seen by both estimators in 10 frames"):
        fit(person(40), poor)


@pytest.fixture
def pairs_of_known_errors(tmp_path: Path) -> Path:
    """A folder as `train pairs` writes it, of a person corrupted by KNOWN. Each estimator has its own joints."""
    folder, rng, entries = tmp_path / "pairs", np.random.default_rng(0), {}
    for n in range(24):
        good = person(900)
        name, poor = f"stand/{n}.mp4", apply_fitted_errors(good, PENN, KNOWN, 15.0, rng)
        pair_file(folder, name).parent.mkdir(parents=True, exist_ok=True)
        high = convert(good, PENN, layout("blazepose-33"))
        np.savez(pair_file(folder, name), times_s=np.arange(900) / 15, high=high, low=poor)
        entries[name] = {"class": "stand", "train": n > 5, "frames": 900}
    manifest = Manifest(
        settings={"high": {"name": "good"}, "low": {"name": "cheap"}},
        classes=["stand"],
        layouts={"high": "blazepose-33", "low": "penn-13"},
        versions={},  # pairs of an early version
        split="by hand",
        subject="the only one",
        finished=True,
        videos=entries,
    )
    write_manifest(folder, manifest)
    return folder


def test_the_command_writes_the_parameters_their_source_and_a_plot(
    pairs_of_known_errors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, save, out = list[Figure](), Figure.savefig, tmp_path / "fit" / "errors.yaml"
    monkeypatch.setattr(Figure, "savefig", lambda self, *to, **how: (figures.append(self), save(self, *to, **how)))
    words = ["fit-errors", "--pairs", str(pairs_of_known_errors), "--out", str(out), "--fps", "7.5"]
    run_command_line("train", "", COMMANDS, words)
    found = read_errors(out)
    assert (found.layout, found.fps) == ("penn-13", 7.5)
    source = {"high": {"name": "good"}, "low": {"name": "cheap"}, "videos": 24, "frames": 24 * 900, "skd-edge": None}
    assert found.source == source
    wrist = found.joints["left_wrist"]
    assert wrist.miss.share == pytest.approx(0.3, rel=0.2) and wrist.jitter == pytest.approx(0.08, rel=0.1)
    said = re.search(
        r"lost in (\S+) % of .+ missed in (\S+) %, jitter (\S+) torso", " ".join(capsys.readouterr().err.split())
    )
    assert said, "means over the thirteen joints of KNOWN: 12 alike, and a wrist"
    known = [8, 100 * (12 * 0.1 + 0.3) / 13, (12 * 0.03 + 0.08) / 13]
    assert [float(number) for number in said.groups()] == pytest.approx(known, rel=0.1)
    picture = cv2.imread(str(out.with_suffix(".png")))
    assert picture is not None and min(picture.shape[:2]) > 500 and picture.std() > 10
    missing, durations, *_ = figures[0].axes
    for axis, of_wrist in ((missing, 100 * wrist.miss.share), (durations, wrist.miss.mean_s)):
        measured, simulated = ([bar.get_height() for bar in bars] for bars in axis.containers)
        assert measured[PENN.joints.index("left_wrist")] == pytest.approx(of_wrist, abs=0.01)
        assert measured != simulated == pytest.approx(measured, rel=0.3)


def test_a_fit_in_joints_that_the_cheap_estimator_lacks_is_refused(
    pairs_of_known_errors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["fit-errors", "--pairs", str(pairs_of_known_errors), "--out", str(tmp_path / "e.yaml")]
    with pytest.raises(SystemExit) as stop:
        run_command_line("train", "", COMMANDS, [*argv, "--layout", "coco-17"])
    assert stop.value.code == 2 and "left_eye was never seen by both estimators" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        run_command_line("train", "", COMMANDS, [*argv, "--layout", "openpose"])
    assert stop.value.code == 2 and "unknown joint layout 'openpose'" in capsys.readouterr().err
    assert not (tmp_path / "e.yaml").exists()


SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "errors").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_errors_reproduce_what_was_measured(path: Path) -> None:
    measured = read_errors(path)
    joints = layout(measured.layout)
    seconds, count, rng = 120.0, 10, np.random.default_rng(0)
    good = convert(person(round(seconds * measured.fps)), PENN, joints)
    assert (good[..., 2] > 0).all(), "fitted in joints that penn-13 has"
    real = [
        Observed(good, apply_fitted_errors(good, joints, measured, measured.fps, rng), measured.fps)
        for _ in range(count)
    ]
    found = fit_errors(real, joints, measured.fps, {})

    def same(ours: Bursts, theirs: Bursts, observed: float, what: str) -> None:
        """Within four standard deviations of a two-state chain's time share and of a mean of exponential times."""
        known = max(seconds * count * observed, 1.0)
        spread = np.sqrt(2 * theirs.share * (1 - theirs.share) ** 2 * theirs.mean_s / known)
        assert abs(ours.share - theirs.share) <= 4 * spread + 0.003, what
        if (number := known * theirs.share / max(theirs.mean_s, 1e-9)) > 20:
            assert ours.mean_s == pytest.approx(theirs.mean_s, rel=4 / np.sqrt(number) + 0.05), what

    same(found.lost, measured.lost, 1.0, "lost")
    here = 1 - measured.lost.share
    for name, joint in measured.joints.items():
        same(found.joints[name].miss, joint.miss, here, name)
        assert found.joints[name].jitter == pytest.approx(joint.jitter, rel=0.25, abs=0.01), name
