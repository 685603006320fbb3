"""NTU RGB+D: .skeleton files in the real format, with made-up numbers."""

from pathlib import Path

import numpy as np
import pytest
from skeleton_files import standing, write_ntu

from edge.contract.errors import ConfigError, DataError
from train.data.readers.ntu import _XSUB, CLASSES, read_ntu60, read_ntu120
from train.data.readers.ntu_skeleton import read_skeleton
from train.data.readers.reading import ReadOptions

NAME = "S001C002P003R002A013.skeleton"


def test_a_file_of_one_body_is_in_metres_with_x_to_the_right_and_an_unseen_second_body(tmp_path: Path) -> None:
    body = standing()
    clip = read_skeleton(write_ntu(tmp_path / NAME, [[body], [body + 0.1], []]), train=True)
    assert clip.joints.shape == (2, 3, 25, 3) and clip.joints.dtype == np.float32
    assert clip.joints[0, 0] == pytest.approx(body * (-1, 1, 1), abs=1e-6)
    assert clip.joints[0, 1] == pytest.approx((body + 0.1) * (-1, 1, 1), abs=1e-6)
    assert clip.seen[0].tolist() == [[True] * 25, [True] * 25, [False] * 25] and not clip.seen[1].any()
    assert (clip.id, clip.label, clip.fps) == ("S001C002P003R002A013", 12, 30.0)


def test_the_two_bodies_of_largest_spread_are_used_largest_first(tmp_path: Path) -> None:
    still, walker, waver, fifth = standing(0), standing(1), standing(2), standing(4)
    frames = [[still, walker + t * 0.5, waver + t * 0.2, still, fifth + 9 * t] for t in range(4)]
    clip = read_skeleton(write_ntu(tmp_path / NAME, frames), train=True)
    # The fifth body spreads most, but only the first four are read.
    assert clip.joints[0, 3] == pytest.approx((walker + 1.5) * (-1, 1, 1), abs=1e-5)
    assert clip.joints[1, 3] == pytest.approx((waver + 0.6) * (-1, 1, 1), abs=1e-5)
    assert clip.seen.all()


def test_untracked_and_nan_joints_are_unseen(tmp_path: Path) -> None:
    body = standing()
    body[4, 2] = np.nan
    path = write_ntu(tmp_path / NAME, [[body]], tracked=1)  # inferred from other joints
    path.write_text(path.read_text().replace("-0.1239", "nan"))  # an orientation, which is not read
    clip = read_skeleton(path, train=True)
    assert not clip.seen[0, 0, 4] and clip.seen.sum() == 24 and np.isfinite(clip.joints).all()
    with pytest.raises(DataError, match="no body in any of the 1 frames; put the published list"):
        read_skeleton(write_ntu(tmp_path / NAME, [[standing()]], tracked=0), train=True)


def test_cross_subject_cross_view_and_cross_setup_split_as_the_papers_do(tmp_path: Path) -> None:
    def trained(read, split: str) -> list[str]:
        return [clip.id for clip in read(tmp_path, ReadOptions(split=split)).clips if clip.train]

    names = [f"S{s:03d}C{c:03d}P{p:03d}R001A{a:03d}" for s, c, p, a in
             ((1, 1, 1, 60), (2, 2, 3, 1), (17, 3, 38, 2), (18, 1, 103, 61), (32, 2, 106, 120))]  # fmt: skip
    for name in names:
        write_ntu(tmp_path / ("later" if name == names[0] else "below") / f"{name}.skeleton", [[standing()]])
    assert trained(read_ntu60, "xsub") == [names[0], names[2]]
    assert trained(read_ntu60, "xview") == [names[1], names[2]]
    assert trained(read_ntu120, "xsub") == [names[0], names[2], names[3]]
    assert trained(read_ntu120, "xset") == [names[1], names[3], names[4]]
    sixty, all_of_them = read_ntu60(tmp_path), read_ntu120(tmp_path)
    assert (len(sixty.clips), len(sixty.classes), len(all_of_them.clips)) == (3, 60, 5)
    training = "cross-subject: the papers' training performers / the others"
    assert sixty.split == f"{training}; no list of samples to leave out"
    assert all_of_them.classes[all_of_them.clips[0].label] == "walk_apart" and all_of_them.layout == "ntu-25"
    with pytest.raises(ConfigError, match=r"ntu120 has no split 'xview'; give --data\.split xsub or xset"):
        read_ntu120(tmp_path, ReadOptions(split="xview"))


def test_the_papers_count_twenty_and_fifty_three_training_performers_and_120_classes() -> None:
    assert len(_XSUB) == 53 and len({p for p in _XSUB if p <= 40}) == 20
    assert len(set(CLASSES)) == 120
    assert (CLASSES[0], CLASSES[49], CLASSES[60], CLASSES[119]) == (
        "drink_water", "punch_someone", "put_on_headphone", "rock_paper_scissors")  # fmt: skip


# Three names under which the authors and PYSKL publish the list.
@pytest.mark.parametrize(
    "name", ["NTU_RGBD_samples_with_missing_skeletons.txt", "ntu_rgb120_missings.txt", "ntu120_missing.txt"]
)
def test_listed_samples_are_left_out_and_need_not_be_readable(tmp_path: Path, name: str) -> None:
    write_ntu(tmp_path / NAME, [[standing()]])
    (tmp_path / "S001C002P005R002A008.skeleton").write_text("1\n0\n")
    with pytest.raises(DataError, match=r"A008\.skeleton: no body"):
        read_ntu60(tmp_path)
    (tmp_path / name).write_text("Missing:\nS001C002P005R002A008\n")
    data = read_ntu60(tmp_path)
    assert [clip.id for clip in data.clips] == [NAME.removesuffix(".skeleton")]
    assert "1 listed samples left out" in data.split
    (tmp_path / name).write_text("nothing of use")
    with pytest.raises(DataError, match=rf"{name}: names no sample"):
        read_ntu60(tmp_path)


def altered(lines: list[str], at: int, line: str) -> list[str]:
    return [*lines[:at], line, *lines[at + 1 :]]


# A frame is: bodies, state, joints, then 25 lines; the first line of the file is the number of frames.
DAMAGE = {
    "empty": (lambda lines: [], "line 0: the file ends where the number of frames should follow"),
    "cut in a joint": (lambda lines: [*lines[:40], lines[40][:30]], "line 41: the file ends where a body's joints"),
    "cut in a number": (lambda lines: [*lines[:-1], lines[-1][:30]], "line 57: not the 12 numbers of a joint"),
    "cut between frames": (lambda lines: lines[:29], "line 29: the file ends where the number of bodies"),
    "no frames": (lambda lines: ["0"], "line 1: the recording has no frames"),
    "frames as text": (lambda lines: altered(lines, 0, "two"), "line 1: 'two' is not the number of frames"),
    "frames as a superscript": (lambda lines: altered(lines, 0, "²"), "line 1: '²' is not the number of frames"),
    "frames without end": (lambda lines: altered(lines, 0, "9" * 12), "line 1: '999999999999' is not the number"),
    "24 joints": (lambda lines: altered(lines, 3, "24"), "line 4: 24 joints, but a body of NTU RGB\\+D has 25"),
    "a word": (lambda lines: altered(lines, 10, lines[10].replace("277.419", "x")), "line 11: not the 12 numbers"),
    "a blank line": (lambda lines: altered(lines, 5, ""), "line 6: not the 12 numbers"),
    "a missing word": (lambda lines: altered(lines, 4, "0.1 0.2 0.3"), "line 5: not the 12 numbers"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_named_with_the_line(tmp_path: Path, damage, said: str) -> None:
    path = write_ntu(tmp_path / NAME, [[standing()], [standing()]])
    path.write_text("\n".join(damage(path.read_text().splitlines())))
    with pytest.raises(DataError, match=said) as caught:
        read_ntu60(tmp_path)
    assert NAME in str(caught.value) and "\n" not in str(caught.value)


def test_binary_files_other_names_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.skeleton file of NTU RGB\+D 60 .*with S001C001P001R001A001\.skeleton"):
        read_ntu60(tmp_path)
    (tmp_path / NAME).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"A013\.skeleton: not readable as text"):
        read_ntu60(tmp_path)
    (tmp_path / NAME).rename(tmp_path / "drinking.skeleton")
    with pytest.raises(DataError, match=r"drinking\.skeleton: not a file name of NTU RGB\+D"):
        read_ntu60(tmp_path)
