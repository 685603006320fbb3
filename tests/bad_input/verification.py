"""Bundles, limits and results given to ``calibrate verify`` and ``report``."""

import json
from pathlib import Path

from bad_input.table import Argv, good_bundle, relist, row


@row()
def a_bundle_to_verify_before_it_is_quantised(folder: Path) -> Argv:
    """the bundle contains no student.int8.onnx"""
    bundle = good_bundle(folder)
    (bundle / "student.int8.onnx").unlink()
    return ["calibrate", "verify", "--bundle", relist(bundle)]


@row()
def a_limit_for_top1_without_labelled_clips(folder: Path) -> Argv:
    """max_top1_drop is given, but top-1 is judged on test clips only; give --clips test.npz without --held_out"""
    return ["calibrate", "verify", "--bundle", good_bundle(folder), "--max_top1_drop", "0"]


@row()
def a_limit_for_top1_on_clips_of_the_training(folder: Path) -> Argv:
    """max_top1_drop is given, but top-1 is judged on test clips only; give --clips test.npz without --held_out"""
    given = ("--clips", folder / "calibration.npz", "--held_out", "--max_top1_drop", "2")
    return ["calibrate", "verify", "--bundle", good_bundle(folder), *given]


@row()
def a_report_of_what_was_not_measured(folder: Path) -> Argv:
    """v.json: contains no results on labelled clips; write it with `python -m calibrate verify"""
    (folder / "v.json").write_text('{"networks": [{"network": "student.onnx"}]}')
    given = ("--bundle", good_bundle(folder), "--verified", folder / "v.json")
    return ["calibrate", "report", *given, "--page", folder / "page.md"]


@row()
def a_report_that_was_cut(folder: Path) -> Argv:
    """v.json or the bundle's calibration.json: key 'budget' is missing; write it with"""
    bundle = good_bundle(folder)
    (bundle / "calibration.json").write_text("{}")
    networks = [{"network": name, "labelled": {"samples": 1}} for name in ("student.onnx", "student.int8.onnx")]
    (folder / "v.json").write_text(json.dumps({"networks": networks}))
    given = ("--bundle", relist(bundle), "--verified", folder / "v.json")
    return ["calibrate", "report", *given, "--page", folder / "page.md"]
