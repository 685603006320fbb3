"""NW-UCLA: Kinect v1 recordings of ten everyday actions by ten people from three views, 20 joints in 3-D.

Source: Wang, Nie, Xia, Wu, Zhu, "Cross-view Action Modeling, Learning and Recognition", CVPR 2014. The reader takes the
JSON files that are common among skeleton networks (``all_sqe``), one per clip, named by action, subject, repetition and
view: ``a01_s01_e00_v01.json`` with skeletons [frames][20][3] in metres, joints in the order of the Kinect SDK. The
label is that of the name, not the one in the file.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from edge.contract.errors import DataError
from edge.contract.layouts import layout
from train.data.clip import KINECT_TO_CAMERA, SkeletonClip, SkeletonSet, validated
from train.data.readers.files import check_arrays, damaged, files_in, read_json
from train.data.readers.reading import DEFAULT, ReadOptions, parse_files

LAYOUT = "kinect-20"
FPS = 30.0
ACTIONS = {
    1: "pick_up_with_one_hand",
    2: "pick_up_with_two_hands",
    3: "drop_trash",
    4: "walk_around",
    5: "sit_down",
    6: "stand_up",
    8: "donning",
    9: "doffing",
    11: "throw",
    12: "carry",
}
TEST_VIEW = 3
_NAME = re.compile(r"a(\d+)_s(\d+)_e(\d+)_v(\d+)")
_KINECT_ORDER = (
    "hip_centre spine shoulder_centre head left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow "
    "right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot"
)
_ORDER = [_KINECT_ORDER.split().index(joint) for joint in layout(LAYOUT).joints]


def read_nw_ucla(folder: Path, options: ReadOptions = DEFAULT) -> SkeletonSet:
    """Read all clips; views 1 and 2 are for training, view 3 for testing, as is usual."""
    files = files_in(folder, ("all_sqe", "."), "a*_s*_e*_v*.json")
    if not files:
        raise DataError(
            "no file such as a01_s01_e00_v01.json is in this folder or its subfolder all_sqe",
            where=folder,
            hint="give the folder with these files",
        )
    clips = tuple(parse_files(files, read_clip, options.workers, "NW-UCLA"))
    split = "cross-view: views 1 and 2 train / view 3 tests"
    return validated(SkeletonSet("NW-UCLA", tuple(ACTIONS.values()), LAYOUT, clips, split))


def read_clip(path: Path) -> SkeletonClip:
    """Read one file. Raises DataError if it is damaged."""
    named = _NAME.fullmatch(path.stem)
    action, _, _, view = (int(number) for number in named.groups()) if named else (0, 0, 0, 0)
    if action not in ACTIONS or view not in (1, 2, TEST_VIEW):
        raise DataError(
            "the name is not that of an action and a view of NW-UCLA",
            where=path,
            hint=f"actions are {', '.join(map(str, ACTIONS))}, views 1 to {TEST_VIEW}, as in a01_s01_e00_v01",
        )
    try:
        values = np.array(read_json(path, ("skeletons",))["skeletons"], np.float64)
    except (ValueError, TypeError) as error:
        raise damaged(path, f"skeletons are not [frames][20][3] numbers: {error}") from error
    check_arrays(path, {"skeletons": values}, {"skeletons": "frames 20 3"})
    xyz = values.astype(np.float32)[:, _ORDER] * KINECT_TO_CAMERA
    seen = np.isfinite(xyz).all(axis=-1) & (xyz != 0).any(axis=-1)
    label = list(ACTIONS).index(action)
    return SkeletonClip(path.stem, label, xyz[None], np.asarray(seen)[None], FPS, train=view != TEST_VIEW)
