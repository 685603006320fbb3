"""The motion stem against five inputs computed by hand, as one exported layer, and frame by frame."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from drawn import lively
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edge.contract.layouts import layout
from train.export.bundle import write_onnx
from train.export.stream_files import write_stream
from train.networks.motion_stem import SCALE, MotionStem, fuse_motion_stems
from train.networks.registry import build
from train.networks.stream_step import StreamStep

PENN = layout("penn-13")


def drawn_of(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return lively(build(name, classes=5, layout=PENN, bodies=1, width=4), seed)


def noise(frames: int, seed: int = 0, clips: int = 1) -> Tensor:
    return torch.randn(clips, 3, frames, 13, 1, generator=torch.Generator().manual_seed(seed))


def test_the_stem_is_a_linear_map_of_position_visibility_and_motion() -> None:
    stem, x = MotionStem(2), noise(4)[..., 0]
    given = stem(x)
    for t in range(4):
        x_before = x[0, :2, t - 1] if t else torch.zeros(2, 13)
        inputs = torch.cat([x[0, :, t], SCALE * (x[0, :2, t] - x_before)])
        assert torch.allclose(given[0, :, t], stem.weight[:, :, 0, 0] @ inputs, atol=1e-5)


def test_motion_is_zero_for_a_still_person_and_the_displacement_otherwise() -> None:
    stem = MotionStem(1)
    with torch.no_grad():
        stem.weight[:] = torch.tensor([0.0, 0, 0, 1, 0])[None, :, None, None]  # the motion of x alone
    x = torch.zeros(1, 3, 5, 1)
    x[0, 0, :, 0] = torch.tensor([7.0, 7, 8, 8, 6])
    assert stem(x)[0, 0, 1:, 0].tolist() == [0, SCALE, 0, -2 * SCALE]


def test_the_stem_is_not_computed_in_bfloat16() -> None:
    stem, x = MotionStem(4), 1 + noise(8)[..., 0] / 100
    with torch.autocast("cpu", torch.bfloat16):
        given = stem(x)
    assert given.dtype == torch.float32 and torch.equal(given, stem(x))


def test_fusing_gives_one_convolution_and_leaves_the_network_unchanged(tmp_path: Path) -> None:
    network, clips = drawn_of("dense_gcn_motion"), noise(16, clips=2)
    made = fuse_motion_stems(network)
    with torch.inference_mode():
        assert torch.allclose(made(clips)[0], network(clips)[0], atol=1e-5)
    assert isinstance(network.stem[0], MotionStem) and isinstance(made.stem[0], nn.Conv2d)
    kinds = []
    for name in ("dense_gcn_motion", "dense_gcn"):
        write_onnx(drawn_of(name), clips.numpy(), tmp_path / f"{name}.onnx")
        kinds.append(Counter(node.op_type for node in onnx.load(tmp_path / f"{name}.onnx").graph.node))
    assert kinds[0] == kinds[1], "no more layers than without motion"


@settings(max_examples=12)
@given(
    seed=st.integers(0, 1000),
    cycles=st.integers(1, 15),
    window=st.integers(1, 8),
    frames=st.sampled_from([1, 2, 4]),
)
def test_from_the_first_frame_on_its_stream_equals_the_causal_clip_form(
    seed: int, cycles: int, window: int, frames: int
) -> None:
    network, x = drawn_of("dense_gcn_motion_stream", seed), noise(4 * cycles, seed)
    steps = [StreamStep(network, window=window, frames=frames, phase=phase).eval() for phase in range(0, 4, frames)]
    states = dict(zip(steps[-1].state_shapes, steps[-1].initial_states(), strict=True))
    with torch.inference_mode():
        features = network(x)[1]
        for number, at in enumerate(range(0, 4 * cycles, frames)):
            step = steps[number % len(steps)]
            logits, new = step(x[:, :, at : at + frames], [states[name] for name in step.state_shapes])
            states.update(zip(step.state_shapes, new, strict=True))
            if logits:
                count = (at + frames) // 4
                expected = network.fc(features[0, :, max(0, count - window) : count].mean(dim=(1, 2)))
                np.testing.assert_allclose(logits[0][0], expected, atol=1e-4, rtol=1e-5)
    assert logits, "the last step completes a cycle"


@pytest.mark.parametrize("frames", [1, 4])
def test_the_exported_stream_has_the_last_frame_as_a_state(tmp_path: Path, frames: int) -> None:
    written = write_stream(drawn_of("dense_gcn_motion_stream"), noise(16).numpy(), tmp_path, frames=frames)
    for path in written:  # write_stream compared their logits with PyTorch's
        shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in onnx.load(path).graph.input}
        assert shapes["stem.kept"] == [13, 3]
