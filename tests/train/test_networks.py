"""The recognisers: shapes, sizes, and each part against a plain loop."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge.contract.errors import ConfigError
from edge.contract.layouts import JointLayout, layout
from train.networks.dense_gcn import DenseGcn, normalised_adjacency
from train.networks.registry import NETWORKS, build
from train.networks.shift_gcn import InterBody, SpatialShift
from train.networks.temporal_shift import FractionalShift

PENN = layout("penn-13")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    """Networks this small wait longer for a second thread than they compute."""
    torch.set_num_threads(1)


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def trained(name: str, bodies: int) -> nn.Module:
    """A small network whose BatchNorm has seen data, so that its parts do not cancel out."""
    torch.manual_seed(1)
    network = build(name, classes=3, layout=PENN, bodies=bodies, width=4)
    network(seeded(8, 3, 8, 13, bodies))
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bodies", [1, 2])
def test_every_network_gives_logits_and_features_of_the_stated_shape(name: str, bodies: int) -> None:
    network = build(name, classes=5, layout=PENN, bodies=bodies, width=4)
    logits, features = network(seeded(3, 3, 16, 13, bodies))
    assert logits.shape == (3, 5)
    assert features.shape == (3 * bodies, 16, 4, 13) and network.features == 16


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bodies", [1, 2])
def test_a_clip_alone_and_in_a_batch_is_answered_alike(name: str, bodies: int) -> None:
    network, clips = trained(name, bodies), seeded(4, 3, 8, 13, bodies)
    with torch.inference_mode():
        together = network(clips)[0]
        alone = torch.cat([network(clip[None])[0] for clip in clips])
    assert torch.allclose(alone, together, rtol=1e-4, atol=1e-5)
    assert float(together.std(dim=0).min()) > 1e-3, "clips differ, so must their answers"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_order_of_bodies_does_not_matter_after_the_entrance(name: str) -> None:
    network, clip = trained(name, 2), seeded(1, 3, 8, 13, 2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d) and module.num_features == 2 * 13 * 3:
            module.reset_running_stats()  # Shift-GCN normalises each body's entrance by its own statistics
    with torch.inference_mode():
        assert torch.allclose(network(clip)[0], network(clip.flip(-1))[0], atol=1e-5)


def shift_gcn_parameters(w: int, k: int, v: int, m: int, inter_body: bool) -> int:
    """Counted from the paper's description of a unit."""
    total = 2 * m * 3 * v + (4 * w + 1) * k  # BatchNorm at the entrance, classifier
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


def test_dense_gcn_has_the_stated_number_of_parameters() -> None:
    w, k, v = 8, 4, 13
    total, before = 3 * w + 2 * w + (4 * w + 1) * k, w
    for after, stride in [(w, 1), (w, 1), (2 * w, 2), (2 * w, 1), (4 * w, 2), (4 * w, 1)]:
        total += v * v + before * after + 2 * after + 5 * after * after + 2 * after
        total += before * after + 2 * after if before != after or stride == 2 else 0
        before = after
    assert parameters(build("dense_gcn", classes=k, layout=PENN, bodies=1, width=w)) == total


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


def test_spatial_shift_is_the_loop_over_joints_and_channels() -> None:
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


def test_spatial_shift_normalises_each_joint_and_channel_where_it_lands() -> None:
    torch.manual_seed(0)
    module = SpatialShift(2, 2, 3).eval()
    with torch.no_grad():
        module.Linear_weight.zero_()
        module.bn.bias.copy_(torch.arange(6.0))
    # Nothing comes in: BatchNorm's bias stands at joint v, channel c as entry v * C + c.
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


def test_the_offset_has_the_gradient_of_the_slope_between_frames() -> None:
    module = FractionalShift(1, 1)
    with torch.no_grad():
        module.ypos.fill_(0.25)
    x = seeded(1, 1, 5, 1)
    module(x)[0, 0, 1, 0].backward()
    assert module.ypos.grad is not None
    assert float(module.ypos.grad) == pytest.approx(float(x[0, 0, 2, 0] - x[0, 0, 1, 0]), rel=1e-5)


def test_other_bodies_are_seen_as_the_mean_of_their_joints() -> None:
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


def test_a_body_alone_is_joined_with_zeros() -> None:
    torch.manual_seed(0)
    alone, pair, x = InterBody(2, 1), InterBody(2, 2), seeded(1, 2, 3, 4)
    pair.load_state_dict(alone.state_dict())
    assert torch.allclose(alone(x), pair(torch.cat([x, torch.zeros_like(x)]))[:1], atol=1e-6)


def test_normalised_adjacency_by_hand() -> None:
    # A path a - b - c: with self-loops the degrees are 2, 3, 2.
    path = JointLayout("path", ("a", "b", "c"), ((0, 1), (1, 2)))
    side, s = 6**-0.5, torch.tensor
    expected = s([[1 / 2, side, 0], [side, 1 / 3, side], [0, side, 1 / 2]])
    assert torch.allclose(normalised_adjacency(path), expected, atol=1e-6)


def test_normalised_adjacency_of_a_body_is_symmetric_with_largest_eigenvalue_one() -> None:
    a = normalised_adjacency(PENN)
    assert torch.allclose(a, a.T)
    assert float(torch.linalg.eigvalsh(a).max()) == pytest.approx(1, abs=1e-5)


def test_joints_of_dense_gcn_mix_along_bones_alone_at_the_start() -> None:
    network = DenseGcn(3, PENN, 1, width=4)
    mix = network.get_parameter("units.0.mix").detach()
    joined = {(i, i) for i in range(13)} | set(PENN.edges) | {(j, i) for i, j in PENN.edges}
    assert {(int(i), int(j)) for i, j in mix.nonzero()} == joined


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown network 'resnet'; known networks: dense_gcn, dense_gcn_l"):
        build("resnet", classes=2, layout=PENN, bodies=1, width=4)
