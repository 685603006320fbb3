"""Shift-GCN: its size, and each part against a plain loop."""

import numpy as np
import pytest
import torch
from drawn import parameters, seeded
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.contract.layouts import layout
from train.networks.registry import build
from train.networks.shift_gcn import FractionalShift, InterBody, SpatialShift


def shift_gcn_parameters(w: int, k: int, v: int, m: int, inter_body: bool) -> int:
    """Counted from the paper's description of a unit."""
    total = 2 * m * 3 * v + (4 * w + 1) * k  # input BatchNorm, classifier
    before = 3
    for after, stride in [(w, 1)] * 4 + [(2 * w, 2)] + [(2 * w, 1)] * 2 + [(4 * w, 2)] + [(4 * w, 1)] * 2:
        total += before * after + after + v * before + 2 * v * after  # linear, bias, mask, BatchNorm
        changes = before * after + after + 2 * after  # 1x1 convolution with bias, BatchNorm
        total += changes if before != after else 0
        total += 2 * after * after if inter_body else 0
        total += 2 * after + after + after * after + after + after + 2 * after  # norm, shift, linear, shift, norm
        total += changes if before != 3 and (before != after or stride == 2) else 0
        before = after
    return total


@pytest.mark.parametrize(("name", "inter_body"), [("shift_gcn_teacher", False), ("shift_gcn_student", True)])
@pytest.mark.parametrize("bodies", [1, 2])
def test_shift_gcn_has_the_papers_number_of_parameters(name: str, inter_body: bool, bodies: int) -> None:
    ntu = layout("ntu-25")
    network = build(name, classes=60, layout=ntu, bodies=bodies, width=64)
    assert parameters(network) == shift_gcn_parameters(64, 60, 25, bodies, inter_body)


def naive_spatial(module: SpatialShift, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shift, gate, linear map, shift back, for one frame (C, V); without BatchNorm, shortcut and ReLU."""
    weight, bias = module.Linear_weight.detach().numpy(), module.Linear_bias.detach().numpy()[0, 0]
    mask = module.Feature_Mask.detach().numpy()[0]
    c_in, v = x.shape
    c_out = weight.shape[1]
    mixed = np.zeros((v, c_out))
    for joint in range(v):
        for d in range(c_out):
            mixed[joint, d] = bias[d]
            for c in range(c_in):
                taken = x[c, (joint + c) % v]
                mixed[joint, d] += taken * (np.tanh(mask[joint, c]) + 1) * weight[c, d]
    out = np.zeros((c_out, v))
    for joint in range(v):
        for d in range(c_out):
            out[d, joint] = mixed[(joint - d) % v, d]
    return out


def test_spatial_shift_equals_a_loop_over_joints_and_channels() -> None:
    torch.manual_seed(0)
    module = SpatialShift(4, 7, 5).eval()
    with torch.no_grad():
        module.Feature_Mask.normal_()
        module.Linear_bias.normal_()
    x = seeded(2, 4, 3, 5)
    for p in module.down.parameters():
        nn.init.zeros_(p)
    expected = np.stack([[naive_spatial(module, x[n, :, t].double().numpy()) for t in range(3)] for n in range(2)])
    expected = np.maximum(expected.transpose(0, 2, 1, 3), 0) / np.sqrt(1 + module.bn.eps)
    np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_spatial_shift_normalises_after_shifting_back() -> None:
    torch.manual_seed(0)
    module = SpatialShift(2, 2, 3).eval()
    with torch.no_grad():
        module.Linear_weight.zero_()
        module.bn.bias.copy_(torch.arange(6.0))
    # With zero input BatchNorm's bias of joint v, channel c is entry v * C + c.
    out = module(torch.zeros(1, 2, 1, 3))[0, :, 0]
    assert torch.equal(out, torch.arange(6.0).reshape(3, 2).T)


def shifted(offsets: list[float], stride: int, x: Tensor) -> NDArray[np.float32]:
    module = FractionalShift(len(offsets), stride)
    with torch.no_grad():
        module.ypos.copy_(torch.tensor(offsets))
    return np.asarray(module(x).detach().numpy())


@pytest.mark.parametrize("stride", [1, 2])
def test_fractional_shift_is_linear_interpolation_with_zeros_outside(stride: int) -> None:
    offsets = [0.0, 0.3, -0.7, 1.5, -2.25, 40.0]
    x = seeded(2, 6, 8, 3)
    out = shifted(offsets, stride, x)
    assert out.shape == (2, 6, 8 // stride, 3)
    padded = np.concatenate([np.zeros((2, 6, 1, 3)), x.numpy(), np.zeros((2, 6, 1, 3))], axis=2)
    for n, c, v in np.ndindex(2, 6, 3):
        where = stride * np.arange(8 // stride) + (stride - 1) / 2 + offsets[c]
        expected = np.interp(where, np.arange(-1, 9), padded[n, c, :, v], left=0, right=0)
        np.testing.assert_allclose(out[n, c, :, v], expected, atol=1e-5)


def test_whole_offsets_are_exact_shifts() -> None:
    x = seeded(1, 3, 6, 2)
    out = shifted([0.0, 2.0, -1.0], 1, x)
    zeros = np.zeros((2, 2), np.float32)
    assert np.array_equal(out[0, 0], x[0, 0].numpy())
    assert np.array_equal(out[0, 1], np.concatenate([x[0, 1, 2:].numpy(), zeros]))
    assert np.array_equal(out[0, 2], np.concatenate([zeros[:1], x[0, 2, :-1].numpy()]))


def test_stride_two_without_offset_is_the_mean_of_neighbouring_frames() -> None:
    x = seeded(1, 1, 6, 2)
    np.testing.assert_allclose(shifted([0.0], 2, x), (x[:, :, ::2] + x[:, :, 1::2]) / 2, atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_the_shift_match_finite_differences(stride: int) -> None:
    module = FractionalShift(5, stride).double()
    x = seeded(2, 5, 8, 3).double().requires_grad_()
    offsets = torch.tensor([0.25, -0.6, 1.9, -2.3, 30.0], dtype=torch.float64, requires_grad=True)

    def shift(x: Tensor, offsets: Tensor) -> Tensor:
        return torch.func.functional_call(module, {"ypos": offsets}, (x,))

    assert torch.autograd.gradcheck(shift, (x, offsets))


@pytest.mark.parametrize("stride", [1, 2])
def test_the_gradient_of_the_offset_is_the_slope_between_frames(stride: int) -> None:
    module = FractionalShift(3, stride)
    offsets = [0.25, -1.4, 2.8]
    with torch.no_grad():
        module.ypos.copy_(torch.tensor(offsets))
    x, upstream = seeded(2, 3, 8, 2), torch.randn(2, 3, 8 // stride, 2, generator=torch.Generator().manual_seed(1))
    (module(x) * upstream).sum().backward()
    for c, offset in enumerate(offsets):
        slope = 0.0
        for n, t, v in np.ndindex(2, 8 // stride, 2):
            before = int(np.floor(stride * t + (stride - 1) / 2 + offset))
            frames = [float(x[n, c, f, v]) if 0 <= f < 8 else 0.0 for f in (before, before + 1)]
            slope += (frames[1] - frames[0]) * float(upstream[n, c, t, v])
        assert module.ypos.grad is not None
        assert float(module.ypos.grad[c]) == pytest.approx(slope, abs=1e-5)


def test_late_frames_keep_fractional_offsets_in_half_precision() -> None:
    module = FractionalShift(1, 1).half()
    with torch.no_grad():
        module.ypos.fill_(0.3)
    ramp = torch.zeros(1, 1, 300, 1)
    ramp[0, 0, 280] = 1
    out = module(ramp.half()).float()[0, 0, :, 0]
    assert torch.allclose(out[279:281], torch.tensor([0.3, 0.7]), atol=1e-3)


def test_other_bodies_are_aggregated_as_the_mean_of_their_joints() -> None:
    torch.manual_seed(0)
    module, x = InterBody(2, 3), seeded(6, 2, 4, 5)
    out = module(x).detach()
    weight = module.linear.weight.detach()
    for clip in range(2):
        bodies = x[3 * clip : 3 * clip + 3]
        for m in range(3):
            others = torch.stack([bodies[o] for o in range(3) if o != m])  # (2, C, T, V)
            for t in range(4):
                word = others[:, :, t].mean(dim=(0, 2))
                for v in range(5):
                    expected = (weight @ torch.cat([word, bodies[m][:, t, v]])).clamp(min=0)
                    assert torch.allclose(out[3 * clip + m, :, t, v], expected, atol=1e-5)


def test_a_single_body_is_aggregated_with_zeros() -> None:
    torch.manual_seed(0)
    alone, pair, x = InterBody(2, 1), InterBody(2, 2), seeded(1, 2, 3, 4)
    pair.load_state_dict(alone.state_dict())
    assert torch.allclose(alone(x), pair(torch.cat([x, torch.zeros_like(x)]))[:1], atol=1e-6)
