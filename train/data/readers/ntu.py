"""NTU RGB+D 60 and 120: Kinect v2 recordings of 60 and 120 actions by one or two people, 25 joints in 3-D.

Sources: Shahroudy, Liu, Ng, Wang, "NTU RGB+D", CVPR 2016; Liu et al., "NTU RGB+D 120", TPAMI 2019. The reader finds the
distributed ``.skeleton`` files anywhere below the folder. Samples named in text files whose name contains "missing" are
left out; the published lists are such files (``..._with_missing_skeletons.txt``, ``ntu_rgb120_missings.txt``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge.contract.errors import DataError
from train.data.clip import SkeletonClip, SkeletonSet, validated
from train.data.readers.cache import cached_clips
from train.data.readers.files import read_lines
from train.data.readers.ntu_skeleton import NAME, Sample, read_skeleton, sample
from train.data.readers.reading import DEFAULT, ReadOptions, parse_files

LIST = "*missing*.txt"

# Short names of the actions A1 to A120; the first 60 are those of NTU RGB+D.
_NAMES = (
    "drink_water eat_meal brush_teeth brush_hair drop pick_up throw sit_down stand_up clap read write "
    "tear_up_paper put_on_jacket take_off_jacket put_on_a_shoe take_off_a_shoe put_on_glasses take_off_glasses "
    "put_on_a_hat take_off_a_hat cheer_up hand_waving kick_something reach_into_pocket hop jump_up phone_call "
    "play_with_phone type_on_a_keyboard point_to_something take_a_selfie check_time rub_two_hands nod_head "
    "shake_head wipe_face salute put_palms_together cross_hands_in_front sneeze_or_cough stagger fall_down "
    "headache chest_pain back_pain neck_pain nausea fan_self punch_someone kick_someone push_someone "
    "pat_someones_back point_at_someone hug give_object touch_pocket shake_hands walk_towards walk_apart "
    "put_on_headphone take_off_headphone shoot_at_basket bounce_ball tennis_bat_swing juggle_table_tennis_ball "
    "hush flick_hair thumb_up thumb_down ok_sign victory_sign staple_book count_money cut_nails cut_paper "
    "snap_fingers open_bottle sniff squat_down toss_a_coin fold_paper ball_up_paper play_magic_cube "
    "apply_cream_on_face apply_cream_on_hand put_on_bag take_off_bag put_object_into_bag take_object_out_of_bag "
    "open_a_box move_heavy_objects shake_fist throw_up_cap hands_up cross_arms arm_circles arm_swings "
    "run_on_the_spot butt_kicks cross_toe_touch side_kick yawn stretch blow_nose hit_with_object wield_knife "
    "knock_over grab_stuff shoot_with_gun step_on_foot high_five cheers_and_drink carry_object take_a_photo "
    "follow whisper exchange_things support_somebody rock_paper_scissors "
)
CLASSES = tuple(_NAMES.split())

# Training performers as listed in the two papers; those up to 40 are the first paper's.
_XSUB = frozenset((
    1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38, 45, 46, 47, 49, 50, 52, 53, 54, 55, 56,
    57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103,
))  # fmt: skip
TRAINS: dict[str, tuple[Callable[[Sample], bool], str]] = {
    "xsub": (lambda s: s.person in _XSUB, "cross-subject: the papers' training performers / the others"),
    "xview": (lambda s: s.camera in (2, 3), "cross-view: cameras 2 and 3 train / camera 1 tests"),
    "xset": (lambda s: s.setup % 2 == 0, "cross-setup: even setups train / odd setups test"),
}


def read_ntu60(folder: Path, options: ReadOptions = DEFAULT) -> SkeletonSet:
    """Read the 60 actions of NTU RGB+D; splits xsub and xview."""
    return _read(folder, options, "NTU RGB+D 60", options.choose_split("ntu60", "xsub", "xview"), actions=60)


def read_ntu120(folder: Path, options: ReadOptions = DEFAULT) -> SkeletonSet:
    """Read the 120 actions of NTU RGB+D 120; splits xsub and xset."""
    return _read(folder, options, "NTU RGB+D 120", options.choose_split("ntu120", "xsub", "xset"), actions=120)


def _read(folder: Path, options: ReadOptions, name: str, split: str, actions: int) -> SkeletonSet:
    lists = sorted(folder.rglob(LIST))
    missing = {stem for path in lists for stem in _listed_samples(path)}
    files = [
        path
        for path in sorted(folder.rglob("*.skeleton"), key=lambda path: path.name)
        if path.stem not in missing and sample(path).action <= actions
    ]
    if not files:
        raise DataError(
            f"no .skeleton file of {name} is in this folder or below it",
            where=folder,
            hint="give the folder with S001C001P001R001A001.skeleton and so on",
        )
    parse = partial(parse_files, files, partial(_clip, split=split), options.workers, name)
    clips = cached_clips(options.cache, f"ntu{actions}-{split}", [*lists, *files], parse)
    left_out = f"{len(missing)} listed samples left out" if missing else "no list of samples to leave out"
    return validated(SkeletonSet(name, CLASSES[:actions], "ntu-25", clips, f"{TRAINS[split][1]}; {left_out}"))


def _clip(path: Path, split: str) -> SkeletonClip:
    return read_skeleton(path, TRAINS[split][0](sample(path)))


def _listed_samples(path: Path) -> list[str]:
    """Names of the samples in a list, whatever else it contains."""
    found = [match.group() for line in read_lines(path) for match in NAME.finditer(line)]
    if not found:
        raise DataError(
            "names no sample", where=path, hint="it must list names such as S001C002P005R002A008; else remove it"
        )
    return found
