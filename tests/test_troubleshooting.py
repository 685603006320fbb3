"""The headings of docs/troubleshooting.md are the error messages of the program, word for word."""

import re

import pytest
from bad_input.rows import disk_as_before, prepared, refused
from documented import ROOT

pytestmark = pytest.mark.usefixtures("laptop")

HEADINGS = re.findall(r"^### `(.+)`$", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
ROWS = {
    "built for … this machine has …": "an_engine_built_for_another_gpu",
    "its checksum differs from its manifest": "an_engine_of_which_the_end_is_missing",
    "… has changed since it was built": "an_engine_of_a_student_that_has_changed",
    "its manifest … is missing": "an_engine_without_its_record",
    "the GPU failed: …": "an_engine_on_a_gpu_that_fails",
    "out of memory": "an_engine_for_which_memory_is_lacking",
    "no NVIDIA driver on this machine": "an_engine_without_a_driver",
    "no usable NVIDIA GPU": "an_engine_for_a_user_outside_the_group_render",
    "running a TensorRT engine needs the package pycuda": "an_engine_without_pycuda",
    "ONNX Runtime … aborts while cores of the processor are off": "a_network_while_cores_are_off",
    "needs the package tensorrt": "an_engine_without_tensorrt",
    "needs GStreamer, but OpenCV … was built without it": "opened: csi://0",
    "no frame received": "opened: /dev/video97",
    "OpenCV was built without windows": "a_window_that_opencv_cannot_make",
    "no window can be shown on this screen": "a_window_on_a_screen_that_does_not_answer",
    "there is no screen to show a window on": "written: --sinks.show true",
    "OpenCV cannot encode … here": "written: --sinks.codec zzzz",
    "the live page cannot listen": "written: --sinks.page 192.0.2.1:8080",
    "no person in view in … frames": "a_video_with_nobody_in_it",
    "the network agrees with the bundle's reference on only …": "a_network_that_is_another_students",
    "the file is not the one … lists (size or sha256 differs)": "a_bundle_with_one_byte_changed",
    "the bundle needs … but the estimator's … has no …": "an_estimator_that_lacks_the_bundles_joints",
    "made with preprocessing version …": "with_keys: preprocessing_version: 99",
    "ONNX Runtime cannot load it": "a_truncated_network",
    "not a recording of poses": "a_recording_of_poses_that_is_none",
}
"""Heading -> the case in tests/bad_input that ends with it."""


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_program_prints_the_heading(heading, tmp_path, capfd, request):
    with disk_as_before():
        line = refused(prepared(ROWS[heading], tmp_path, request), capfd)
    pattern = ".+".join(re.escape(part.strip()) for part in heading.split("…"))
    assert re.search(pattern, line), line


def test_every_heading_has_its_case():
    assert sorted(HEADINGS) == sorted(ROWS)
