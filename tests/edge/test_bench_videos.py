"""Accuracy on labelled videos: the predicted person, undecided videos, and several students on the same poses."""

import json

import numpy as np
import pytest
import videos
from parts import SCRIPT_LAYOUT, moving_body
from people import person, result

import edge.pose.registry
from edge.bench.accuracy_figures import accuracy_figures, agreement
from edge.bench.commands import BENCH_COMMANDS
from edge.bench.labelled_videos import VideoPrediction, labelled_videos
from edge.cli.command_line import run_command_line
from edge.contract.bundle import read_bundle
from edge.contract.types import Action, Pose

CLASSES = ("squat", "wave", "jumping_jacks", "stand")


def decided(*probabilities):
    return Action("squat", 0.5, np.array(probabilities, np.float32))


def test_the_person_with_most_decisions_gives_the_videos_prediction():
    answer = VideoPrediction(2)
    answer.add(result(person(1), person(2, does=decided(0.9, 0.1)), n=0))
    for n in (1, 2):
        answer.add(result(person(1, does=decided(0.2, 0.8)), person(2), n=n))
    answer.add(result(person(1, does=decided(0.5, 0.5)), n=3))
    # Of person 1: (0.2 + 0.2 + 0.5) / 3.
    assert answer.probabilities() == pytest.approx([0.3, 0.7])
    assert np.isnan(VideoPrediction(2).probabilities()).all()


def test_of_two_people_with_as_many_decisions_the_one_tracked_first_counts():
    answer = VideoPrediction(2)
    answer.add(result(person(2, does=decided(0.9, 0.1)), person(1, does=decided(0.2, 0.8))))
    assert answer.probabilities() == pytest.approx([0.2, 0.8])


def test_a_video_without_a_decision_is_wrong_and_in_no_column_of_the_confusion():
    scores = np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]], np.float32)
    found = accuracy_figures(scores, np.array([0, 0, 1]))
    assert found.top1 == found.top5 == pytest.approx(200 / 3)
    assert found.per_class.tolist() == [50, 100] and found.mean_per_class == 75
    assert found.confusion.tolist() == [[1, 0], [0, 1]] and found.undecided == 1
    others = np.array([[0.4, 0.6], [np.nan, np.nan], [0.0, 1.0]], np.float32)
    assert agreement(scores, others) == pytest.approx(200 / 3)


class Script:
    """A pose estimator that reads from the image its number and whether it shows a person."""

    layout, network_s, looked = SCRIPT_LAYOUT, 0.0, 0

    def describe(self):
        return "a script"

    def estimate(self, image, time_s=None):
        Script.looked += 1
        height = image.shape[1]
        if height == 400:
            return []
        n = videos.number(image)
        shape = moving_body(n) if height == 320 else moving_body(3 * n) * np.float32([0.6, 1.3, 1])
        return [Pose(shape.astype(np.float32), 0.9)]

    def close(self):
        pass


@pytest.fixture
def script(monkeypatch):
    monkeypatch.setitem(edge.pose.registry.ESTIMATORS, "script", lambda config: Script())


def bench(bundle, folder, *more):
    out = folder.parent / "a.json"
    given = ("accuracy", "--bundle", bundle, "--videos", folder, "--pose.name", "script", "--threads", 1)
    words = [str(word) for word in (*given, "--report", out, *more)]
    run_command_line("edge bench", "", BENCH_COMMANDS, words)
    return json.loads(out.read_text())


def film(folder, label, width):
    (folder / label).mkdir(parents=True, exist_ok=True)
    videos.write(folder / label / f"{width}.mp4", frames=60, width=width)
    return folder


def test_videos_are_right_under_the_class_they_are_taken_for_and_wrong_under_another(script, bundle_folder, tmp_path):
    taken = {}
    for width in (320, 360):
        written = bench(bundle_folder, film(tmp_path / f"alone_{width}", "squat", width))
        taken[width] = int(np.argmax(written["confusion"][0]))
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    for width, label in taken.items():
        film(right, CLASSES[label], width)
        film(wrong, CLASSES[label if width == 320 else (label + 1) % 4], width)
    # The third one shows nobody.
    for folder in (right, wrong):
        film(folder, "squat", 400)
    written = bench(bundle_folder, right)
    assert written["top1"] == pytest.approx(200 / 3) and written["undecided"] == 1 and written["samples"] == 3
    assert written["videos"] == {f"{CLASSES[taken[w]]}/{w}.mp4": CLASSES[taken[w]] for w in taken} | {
        "squat/400.mp4": None
    }
    written = bench(bundle_folder, wrong)
    assert written["top1"] == pytest.approx(100 / 3)
    assert sorted(written["videos"].values(), key=str) == sorted([*(CLASSES[k] for k in taken.values()), None], key=str)


def test_videos_are_found_as_for_training_whatever_else_lies_there(bundle_folder, tmp_path):
    names = "wave/b.M4V", "wave/day 2/a.3gp", "squat/1.mov", "squat/._1.mov", "squat/notes.txt", ".git/x.mp4", "x.mp4"
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found, labels = labelled_videos(tmp_path, read_bundle(bundle_folder))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "squat/1.mov",
        "wave/b.M4V",
        "wave/day 2/a.3gp",
    ]
    assert labels.tolist() == [CLASSES.index("squat"), CLASSES.index("wave"), CLASSES.index("wave")]


def test_all_students_judge_the_poses_that_were_estimated_once(script, bundle_folder, tmp_path):
    folder = film(film(tmp_path / "videos", "squat", 320), "wave", 360)
    Script.looked = 0
    written = bench(bundle_folder, folder, "--beside", "[fp32]")
    assert Script.looked == 120
    # The INT8 file of this bundle is the FP32 network under another name.
    assert written["agreement"] == 100 and written["beside"][0]["agreement_first"] == 100
    assert "INT8" in written["student"] and "FP32" in written["beside"][0]["student"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["fly/a.mp4"], "fly is not a class of tiny; name its subfolders after classes: squat, wave"),
        (["squat/a.txt"], "no videos in its subfolders"),
        ([], "no such folder"),
    ],
)
def test_folders_that_do_not_fit_are_one_line(script, bundle_folder, tmp_path, names, words, capsys):
    for name in names:
        (tmp_path / "v" / name).parent.mkdir(parents=True)
        (tmp_path / "v" / name).write_text("")
    with pytest.raises(SystemExit) as left:
        bench(bundle_folder, tmp_path / "v")
    output = capsys.readouterr().err
    assert left.value.code == 2 and words in output and output.count("\n") == 1


def test_files_are_students_too(bundle_folder, tmp_path):
    reference = read_bundle(bundle_folder).reference()
    np.savez(tmp_path / "t.npz", clips=reference["clips"], labels=reference["logits"].argmax(1))
    words = ["accuracy", "--bundle", bundle_folder, "--clips", tmp_path / "t.npz", "--report", tmp_path / "a.json"]
    words += ["--beside", f"[{bundle_folder / 'student.onnx'}]"]
    run_command_line("edge bench", "", BENCH_COMMANDS, [str(word) for word in words])
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["top1"] == written["beside"][0]["top1"] == 100 and "INT8" in written["student"]
