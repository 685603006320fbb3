"""A bundle's manifest is read as it was written, or refused with one clear line."""

from dataclasses import replace

import pytest
import yaml
from small_bundle import GIVEN

from edge.contract.bundle import MANIFEST, read_bundle, write_manifest
from edge.contract.errors import BundleError
from edge.contract.manifest import StreamForm
from edge.contract.preprocess import Preprocessing


def rewrite(folder, change):
    """Change the manifest's raw mapping in place."""
    path = folder / MANIFEST
    raw = yaml.safe_load(path.read_text())
    change(raw)
    path.write_text(yaml.safe_dump(raw, sort_keys=False))


def refused(folder):
    """The error with which the bundle is refused."""
    with pytest.raises(BundleError) as caught:
        read_bundle(folder)
    line = str(caught.value)
    assert "\n" not in line and ";" in line, "what, where and what to do about it"
    return line


def test_no_manifest_names_the_folder_and_the_command_that_makes_one(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        line = refused(folder)
        assert str(folder) in line and "python -m train export" in line


@pytest.mark.parametrize(
    "key", ["name", "classes", "preprocessing", "files", "format_version", "preprocessing_version"]
)
def test_a_missing_key_is_named(folder, key):
    rewrite(folder, lambda raw: raw.pop(key))
    assert f"key {key!r} is missing" in refused(folder)


def test_missing_and_unknown_keys_of_the_preprocessing_are_named(folder):
    rewrite(folder, lambda raw: raw["preprocessing"].update(blur=3))
    assert "unknown key 'preprocessing.blur'" in refused(folder)
    rewrite(folder, lambda raw: (raw["preprocessing"].pop("blur"), raw["preprocessing"].pop("fps")))
    assert "key 'preprocessing.fps' is missing" in refused(folder)


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"impute_window_frames": 6}, True),
        ({"centre": "trend"}, False),
        ({"fps": 10.0}, False),
        ({"length_frames": 16}, False),
        ({"max_gap_s": 1.0}, False),
    ],
)
def test_a_stream_has_the_length_and_rate_of_the_students_clips_and_is_causal(folder, change, fits):
    stream = StreamForm(Preprocessing(**{"centre": "trailing", **change}))
    write_manifest(folder, replace(GIVEN, preprocessing=Preprocessing(between="curve"), stream=stream))
    if fits:
        assert read_bundle(folder).manifest.stream == stream
        rewrite(folder, lambda raw: raw["stream"].pop("frames_per_clip"))
        assert "key 'stream.frames_per_clip' is missing" in refused(folder)
    else:
        assert "another length or rate" in refused(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"layout": "coco"}, "unknown joint layout 'coco'"),
        ({"layout": "coco-17"}, "does not fit"),
        ({"input_shape": [1, 3, 16, 13, 1]}, "does not fit"),
        ({"input_shape": [1, 2, 32, 13, 1]}, "does not fit"),
        ({"input_shape": [3, 32, 13, 1]}, "does not fit"),
        ({"classes": ["walk", "walk"]}, "repeated"),
        ({"classes": []}, "missing"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(folder, change, says):
    rewrite(folder, lambda raw: raw.update(change))
    assert says in refused(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"classes": 3}, "classes must be a list, not 3; export the bundle again"),
        ({"classes": "walk"}, "classes must be a list, not walk;"),
        ({"classes": ["walk", None]}, "entry 2 of classes must be text, not null; write it in quotes"),
        ({"name": 2026}, "name must be text, not 2026; write it in quotes"),
        ({"input_shape": 5}, "input_shape must be a list, not 5;"),
        ({"input_shape": ["a", 3, 32, 13, 1]}, "entry 1 of input_shape must be a whole number, not a;"),
        ({"input_shape": [1, 3, float("inf"), 13, 1]}, "entry 3 of input_shape must be a whole number, not .inf;"),
        ({"files": ["student.onnx"]}, "files must be a mapping, not [student.onnx];"),
        ({"files": {"student.onnx": {"sha256": "0"}}}, "key 'files.student.onnx.bytes' is missing;"),
        ({"files": {"student.onnx": "0"}}, "files.student.onnx must be a mapping, not '0';"),
        ({"files": {3: {}}}, "a key of files must be text, not 3; write it in quotes"),
        ({"preprocessing": None}, "preprocessing must be a mapping, not null;"),
        ({"layout": ["penn-13"]}, "layout must be text, not [penn-13];"),
        ({"accuracy": 0.9}, "accuracy must be a mapping, not 0.9;"),
        ({"accuracy": {"fp32": 0.9}}, "the accuracy of fp32 must be a mapping;"),
        ({"training": True}, "training must be a mapping, not true;"),
        ({"stream": []}, "stream must be a mapping, not [];"),
        ({"budget": {"max_top1_drop": 10**400, "min_agreement": 99}}, "budget.max_top1_drop must be a number, not 100"),
        ({"format_version": True}, "format_version must be a whole number, not true;"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_in_words_of_yaml(folder, change, says):
    rewrite(folder, lambda raw: raw.update(change))
    assert says in refused(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fps": 0}, "preprocessing: fps is 0; give a number in (0, inf)"),
        ({"fps": float("inf")}, "preprocessing: fps is inf"),
        ({"fps": "fast"}, "preprocessing.fps must be a number, not fast;"),
        ({"length_frames": 1}, "length_frames is 1;"),
        ({"length_frames": 32.0}, "preprocessing.length_frames must be a whole number, not 32.0;"),
        ({"length_frames": 10**30}, "length_frames is 1000"),
        ({"impute_window_frames": -1}, "impute_window_frames is -1"),
        ({"impute_window_frames": 2.5}, "preprocessing.impute_window_frames must be a whole number, not 2.5;"),
        ({"centre": "middle"}, "preprocessing: centre 'middle' is not valid; it is trend, clip or trailing"),
        ({"centre": 3}, "preprocessing.centre must be text, not 3;"),
        ({"max_gap_s": None}, "preprocessing.max_gap_s must be a number, not null;"),
        ({"max_gap_s": -1}, "max_gap_s is -1"),
    ],
)
def test_preprocessing_that_cannot_be_done_is_refused(folder, change, says):
    rewrite(folder, lambda raw: raw["preprocessing"].update(change))
    assert says in refused(folder)
