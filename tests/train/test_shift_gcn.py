"""Shift-GCN: its shifts and aggregation against plain loops; test_release.py has the whole network."""

import numpy as np
import pytest
import torch
from drawn import seeded
from numpy.typing import NDArray
from torch import Tensor

from train.networks.shift_gcn import FractionalShift, InterBody


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
