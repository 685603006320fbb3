"""Files of labelled clips, or of recordings, which `bench accuracy`, `threshold` and `calibrate` read."""

from dataclasses import replace

import numpy as np
import pytest

from edge.contract.bundle import read_bundle
from edge.contract.errors import DataError
from edge.contract.layouts import layout
from edge.contract.preprocess import clip_tensor
from edge.recognition.labelled_clips import labelled_clips


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.uint8])
def test_recordings_become_clips_as_in_the_loop(bundle_folder, tmp_path, kind):
    bundle, rng = read_bundle(bundle_folder), np.random.default_rng(3)
    lengths, joints = np.array([70, 64], kind), len(layout("penn-13"))
    keypoints = np.concatenate([rng.uniform(0, 300, (n, joints, 2)) for n in lengths])
    keypoints = np.concatenate([keypoints, np.ones((*keypoints.shape[:2], 1))], axis=2).astype(np.float32)
    times_s = np.concatenate([np.arange(n) / 25 for n in lengths])
    np.savez(tmp_path / "r.npz", keypoints=keypoints, times_s=times_s, length=lengths, labels=[0, 1])
    found, labels = labelled_clips(tmp_path / "r.npz", bundle)
    whole = [(keypoints[:70], times_s[:70]), (keypoints[70:], times_s[70:])]
    wanted = [clip_tensor([body], layout("penn-13"), bundle.manifest.preprocessing) for body in whole]
    np.testing.assert_allclose(found, np.stack(wanted), atol=1e-5)
    assert labels.tolist() == [0, 1]


def test_of_a_student_of_two_bodies_those_that_clips_lack_are_zero(bundle_folder, tmp_path):
    bundle, alone = read_bundle(bundle_folder), np.random.default_rng(5).random((2, 3, 32, 13, 1), np.float32)
    of_two = replace(bundle, manifest=replace(bundle.manifest, input_shape=(1, 3, 32, 13, 2)))
    np.savez(tmp_path / "test.npz", clips=alone, labels=[0, 3])
    found, _ = labelled_clips(tmp_path / "test.npz", of_two)
    np.testing.assert_array_equal(found, np.concatenate([alone, 0 * alone], axis=4))


CLIPS = np.zeros((2, 3, 32, 13, 1), np.float32)
RECORDING = {"keypoints": np.zeros((5, 13, 3)), "times_s": np.arange(5)}


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({}, "the file has labels"),
        ({"clips": CLIPS[:, :, :16]}, r"clips are float32 \(2, 3, 16, 13, 1\), which do not fit \(N, 3, 32, 13, 1\)"),
        ({"clips": CLIPS[:0], "labels": np.zeros(0, int)}, "clips are"),
        ({"clips": CLIPS.repeat(2, axis=4)}, "clips are"),
        ({"clips": CLIPS[..., :0]}, "clips are"),
        ({"clips": CLIPS.astype(str)}, "clips are <U"),
        ({"clips": CLIPS + np.float32([0, np.inf])[:, None, None, None, None]}, "clip 1 contains NaN, infinite"),
        ({"clips": CLIPS, "labels": np.zeros(3, int)}, "labels are int64"),
        ({"clips": CLIPS, "labels": np.zeros(2)}, "labels are float64"),
        ({"clips": CLIPS, "labels": [0, -1]}, "labels range from -1 to 0 for 4 classes"),
        ({"clips": CLIPS, "labels": [0, 4]}, "labels range from 0 to 4 for 4 classes"),
        ({**RECORDING, "length": [5], "times_s": np.arange(4)}, "do not fit lengths of 5 frames"),
        ({**RECORDING, "length": [5], "keypoints": np.zeros((5, 17, 3))}, "do not fit lengths of 5 frames"),
        ({**RECORDING, "length": [5], "keypoints": np.zeros((4, 13, 3))}, "do not fit lengths of 5 frames"),
        ({**RECORDING, "length": [5], "keypoints": np.zeros((5, 13, 3), str)}, "do not fit lengths of 5 frames"),
        ({**RECORDING, "length": 5}, "length is not a list of frame counts"),
        ({**RECORDING, "length": [5.0]}, "length is not a list of frame counts"),
        ({**RECORDING, "length": [5, 0]}, "length is not a list of frame counts"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(bundle_folder, tmp_path, arrays, says):
    np.savez(tmp_path / "test.npz", **{"labels": np.zeros(2, int), **arrays})
    with pytest.raises(DataError, match=rf"test\.npz: .*{says}"):
        labelled_clips(tmp_path / "test.npz", read_bundle(bundle_folder))
