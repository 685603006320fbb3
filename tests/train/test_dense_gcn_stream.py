"""Streaming DenseGCN against the interior of the padded network and against plain loops."""

import numpy as np
import pytest
import torch
from drawn import lively
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edge.contract.layouts import layout
from train.networks.dense_gcn import DenseGcn, Unit
from train.networks.dense_gcn_stream import DenseGcnStream
from train.networks.registry import build
from train.networks.stream_step import StreamStep

PENN = layout("penn-13")
RECEPTIVE_FRAMES, DELAY_FRAMES = 45, 22  # 1 + 4 * (1 + 1 + 1 + 2 + 2 + 4); from the centre to the newest frame


def made(kind: type[DenseGcn], seed: int = 0, bodies: int = 1) -> DenseGcn:
    torch.manual_seed(seed)
    network = lively(kind(5, PENN, bodies, width=4), seed)
    assert isinstance(network, DenseGcn)
    return network


def noise(frames: int, seed: int = 0) -> Tensor:
    return torch.randn(1, 3, frames, 13, 1, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def answers(network: DenseGcn, x: Tensor, window: int, hops: list[int]) -> dict[int, Tensor]:
    """Number of frames so far -> logits (K,), in steps of the given sizes (repeated), at phases that they allow."""
    steps, states, found, at, turn = {}, {}, {}, 0, 0
    while at < x.shape[2]:
        hop = next(h for h in (hops[turn % len(hops)], 2, 1) if at % h == 0 and at + h <= x.shape[2])
        key = (hop, at % 4)
        step = steps.setdefault(key, StreamStep(network, window=window, frames=hop, phase=at % 4).eval())
        for name, zeros in zip(step.state_shapes, step.initial_states(), strict=True):
            states.setdefault(name, zeros)
        logits, new = step(x[:, :, at : at + hop], [states[name] for name in step.state_shapes])
        states.update(zip(step.state_shapes, new, strict=True))
        at, turn = at + hop, turn + 1
        if logits:
            found[at] = logits[0][0]
    return found


def pooled(network: DenseGcn, features: Tensor, last: int, window: int) -> Tensor:
    return network.fc(features[0, :, max(0, last + 1 - window) : last + 1].mean(dim=(1, 2)))


def test_a_feature_has_a_receptive_field_of_45_frames_and_a_delay_of_22() -> None:
    network, x = made(DenseGcnStream).double(), noise(64).double().requires_grad_()
    network(x)[1][0, :, 14].sum().backward()
    touched = x.grad[0, :, :, :, 0].abs().amax(dim=(0, 2)).nonzero()[:, 0]
    assert int(touched.min()) == 59 - 44 and int(touched.max()) == 59


@settings(max_examples=12)
@given(
    seed=st.integers(0, 1000),
    frames=st.integers(76, 110),
    window=st.integers(1, 8),
    hops=st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=4),
)
def test_after_warm_up_a_stream_equals_the_interior_of_the_padded_network(
    seed: int, frames: int, window: int, hops: list[int]
) -> None:
    network, x = made(DenseGcn, seed), noise(frames, seed)
    found = answers(network, x, window, hops)
    # From the second frame on, the padded form's strides match the stream's; far from both ends padding has no effect.
    with torch.inference_mode():
        features = network(torch.cat([x[:, :, 1:], torch.zeros(1, 3, 48, 13, 1)], dim=2))[1]
        compared = 0
        for count, logits in found.items():
            last = (count - 1 - DELAY_FRAMES - 1) // 4
            if count >= RECEPTIVE_FRAMES + 4 * (window - 1) + 3:
                compared += 1
                np.testing.assert_allclose(logits, pooled(network, features, last, window), atol=1e-4, rtol=1e-5)
    assert compared > 0 and sorted(found) == list(range(4, frames + 1, 4))


@settings(max_examples=12)
@given(seed=st.integers(0, 1000), frames=st.integers(4, 60), window=st.integers(1, 8))
def test_from_the_first_frame_on_a_stream_equals_the_causal_clip_form(seed: int, frames: int, window: int) -> None:
    network, x = made(DenseGcnStream, seed), noise(frames, seed)
    with torch.inference_mode():
        features = network(x)[1]
        for count, logits in answers(network, x, window, [1]).items():
            expected = pooled(network, features, count // 4 - 1, window)
            np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=1e-5)


def unit_by_loops(unit: Unit, x: Tensor, stride: int) -> Tensor:
    """A causal unit frame by frame: at every stride-th frame the last five frames, and the shortcut two frames back."""
    spatial = unit.spatial(x @ unit.mix)
    out = []
    for t in range(stride - 1, x.shape[2], stride):
        total = torch.zeros(x.shape[0], spatial.shape[1], 1, x.shape[3])
        for tap in range(5):
            if t - 4 + tap >= 0:
                weight = unit.temporal[0].weight[:, :, tap, 0]
                total[:, :, 0] += torch.einsum("oc,ncv->nov", weight, spatial[:, :, t - 4 + tap])
        ago = x[:, :, t - 2 : t - 1] if t >= 2 else torch.zeros_like(x[:, :, :1])
        if not isinstance(unit.shortcut, nn.Identity):
            convolution, norm = unit.shortcut
            ago = norm(torch.einsum("oc,nctv->notv", convolution.weight[:, :, 0, 0], ago))
        out.append(torch.relu(unit.temporal[1](total) + ago))
    return torch.cat(out, dim=2)


@pytest.mark.parametrize("frames", [4, 16, 19])
def test_the_causal_clip_form_equals_a_loop_over_frames(frames: int) -> None:
    network, x = made(DenseGcnStream), noise(frames)
    with torch.inference_mode():
        features = network.stem(x.squeeze(-1))
        for unit, stride in zip(network.units, (1, 1, 2, 1, 2, 1), strict=True):
            features = unit_by_loops(unit, features, stride)
        logits, given = network(x)
        np.testing.assert_allclose(given, features, atol=1e-4, rtol=1e-5)
        np.testing.assert_allclose(logits[0], network.fc(features[0].mean(dim=(1, 2))), atol=1e-4, rtol=1e-5)


def test_the_causal_form_has_the_parameters_of_dense_gcn() -> None:
    padded, causal = made(DenseGcn, 1), made(DenseGcnStream, 2)
    causal.load_state_dict(padded.state_dict())
    a, b = answers(padded, noise(20), 8, [1]), answers(causal, noise(20), 8, [4])
    assert a.keys() == b.keys() and all(torch.allclose(a[n], b[n], atol=1e-5) for n in a)


def test_a_step_has_only_the_states_of_the_units_that_it_reaches() -> None:
    touched = [{n.split(".")[0] for n in StreamStep(made(DenseGcn), window=8, phase=p).state_shapes} for p in range(4)]
    upper = {"unit0", "unit1", "unit2"}
    middle = upper | {"unit3", "unit4"}
    assert touched == [upper, middle, upper, middle | {"unit5", "pooled"}]


def test_half_of_the_training_clips_continue_another_clip_and_no_test_clip_does() -> None:
    network = made(DenseGcnStream).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.Dropout):
            module.eval()  # BatchNorm would couple all clips
    clips = torch.cat([noise(8, seed) for seed in range(64)]).requires_grad_()
    torch.manual_seed(0)
    # The first feature depends on the clip's own frames, on the previous clip if it continues that, and so on.
    follows = []
    for n, feature in enumerate(network(clips)[1][:, :, 0].abs().sum(dim=(1, 2))):
        (owed,) = torch.autograd.grad(feature, clips, retain_graph=True)
        others = owed.abs().sum(dim=(1, 2, 3, 4)) > 0
        owing = int(others.sum())
        assert all(others[(n - ago) % 64] for ago in range(owing)), "a clip continues the previous one of the batch"
        follows.append(bool(others[(n - 1) % 64]))
    assert 20 < sum(follows) < 44
    network.eval()
    one, other = network(clips[:2])[0][1], network(clips[1:2])[0][0]
    assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("name", ["dense_gcn_stream", "dense_gcn_motion_stream"])
def test_a_continued_clip_gives_the_logits_of_a_stream_over_both_clips(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = lively(build(name, classes=5, layout=PENN, bodies=1, width=4))
    assert isinstance(network, DenseGcnStream)
    first, second = noise(16, 1), noise(16, 2)
    with torch.inference_mode():
        stream = network(torch.cat([first, second], dim=2))[1][0, :, 4:]
        # The first clip continues nothing, the second the first.
        monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor([0, 1]).view(2, 1, 1, 1))
        network.training = True
        joined = network(torch.cat([first, second]))[1][1]
    np.testing.assert_allclose(joined, stream, atol=1e-4, rtol=1e-5)
