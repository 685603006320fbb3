"""UI-PRMD: ten rehabilitation exercises, correct and incorrect, by ten people, recorded by a Vicon system and a Kinect.

Source: Vakanski, Jun, Paul, Baker, "A Data Set of Human Body Movements for Physical Rehabilitation Exercises", Data
3(1), 2018. Packed form: ``ui_prmd.npz`` with vicon_mm (N, 32, 39, 3) and kinect_mm (N, 32, 22, 3) in millimetres, both
resampled to 32 frames; length (N,), frames of the repetition at the Kinect's 30 Hz; meta (N, 4): movement 1-10, subject
1-10, episode, incorrect 0 or 1.

The clip is Vicon's recording, ``low`` the Kinect's at the same time, both rotated to a view from the front. The Kinect
tracks bent legs badly: in squats its knees are above the hips. Its recordings are used unchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.errors import DataError
from train.data.clip import Recording, SkeletonClip, SkeletonSet, validated
from train.data.readers.files import read_arrays

FILE = "ui_prmd.npz"
HIGH, LOW = "vicon-39", "kinect-22"
SHAPES = {
    "vicon_mm": "clips frames 39 3",
    "kinect_mm": "clips frames 22 3",
    "length": "int clips",
    "meta": "int clips 4",
}
RECORDED_HZ = 30.0
_MOVEMENTS = (
    "deep_squat hurdle_step inline_lunge side_lunge sit_to_stand standing_active_straight_leg_raise "
    "standing_shoulder_abduction standing_shoulder_extension standing_shoulder_internal_external_rotation "
    "standing_shoulder_scaption"
)
MOVEMENTS = tuple(_MOVEMENTS.split())
CLASSES = tuple(f"{movement}_{done}" for movement in MOVEMENTS for done in ("correct", "incorrect"))

# Rows are our x (right of the camera), y (up) and z (away from it) in the sensor's axes. In Vicon's axes the person
# faces +x, z is up and +y is to the person's left. In the Kinect's, y is up and z points at the sensor.
_FROM_VICON = np.array([[0, 1, 0], [0, 0, 1], [-1, 0, 0]], np.float32)
_FROM_KINECT = np.array([[1, 0, 0], [0, 1, 0], [0, 0, -1]], np.float32)


def read_ui_prmd(folder: Path) -> SkeletonSet:
    """Read all repetitions in 20 classes, movement and correctness; odd subjects train, even subjects test."""
    path = folder / FILE
    vicon, kinect, length, meta = read_arrays(path, SHAPES).values()
    wrong = (meta[:, 0] < 1) | (meta[:, 0] > len(MOVEMENTS)) | ~np.isin(meta[:, 3], (0, 1))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            f"clip {at} has movement {meta[at, 0]} and incorrect {meta[at, 3]}",
            where=path,
            hint=f"movements are 1 to {len(MOVEMENTS)}, incorrect is 0 or 1",
        )
    clips = []
    for high, low, frames, (movement, subject, episode, incorrect) in zip(vicon, kinect, length, meta, strict=True):
        fps = (len(high) - 1) * RECORDED_HZ / (max(int(frames), 2) - 1)
        good, poor = _recording(high, _FROM_VICON, fps), _recording(low, _FROM_KINECT, fps)
        name = f"uiprmd-m{movement}-s{subject}-e{episode}-{'incorrect' if incorrect else 'correct'}"
        label = 2 * (int(movement) - 1) + int(incorrect)
        clips.append(SkeletonClip(name, label, good.joints, good.seen, fps, train=bool(subject % 2), low=poor))
    return validated(SkeletonSet("UI-PRMD", CLASSES, HIGH, tuple(clips), "odd subjects train / even test", LOW))


def _recording(mm: NDArray[Any], axes: NDArray[np.float32], fps: float) -> Recording:
    """Convert (S, V, 3) in millimetres and the sensor's axes to a recording of one body."""
    joints = (mm.astype(np.float32) / 1000 @ axes.T).astype(np.float32)
    # Vicon writes (0, 0, 0) for a lost marker.
    seen = np.isfinite(joints).all(axis=-1) & (joints != 0).any(axis=-1)
    return Recording(joints[None], np.asarray(seen)[None], fps)
