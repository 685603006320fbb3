"""The cost of a streamed frame relative to a clip."""

import tiny_bundle

from calibrate.stream_cost import frames_per_clip
from edge.contract.bundle import read_bundle


def test_the_cost_of_a_frame_is_measured_relative_to_a_clip(tmp_path):
    folder = tiny_bundle.add_stream(tiny_bundle.make(tmp_path / "tiny"))
    # The stream of these tests is a sum, its student a convolution over 32 frames.
    assert frames_per_clip(read_bundle(folder), "int8") > 1
