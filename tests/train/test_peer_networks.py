"""Published networks: graphs computed by hand, parts against plain loops, published sizes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import parameters
from torch import Tensor

from edge.contract.layouts import JointLayout, layout
from edge.engines.onnx_runtime import OnnxRuntimeEngine
from train.export.bundle import write_onnx
from train.networks.dd_net import joint_distances, motion, pair_differences
from train.networks.efficient_gcn import Inputs
from train.networks.registry import build
from train.networks.skeleton_graph import (
    centre,
    centre_distances,
    hop_adjacencies,
    hop_distances,
    parents,
    spatial_partition,
)
from train.networks.st_gcn import GraphConvolution
from train.networks.st_gcn_pp import TemporalBranches

ARM = JointLayout("arm", ("spine", "elbow", "hand"), ((0, 1), (1, 2)))
PENN = layout("penn-13")


def test_hop_distances_count_bones_between_joints() -> None:
    assert hop_distances(ARM).tolist() == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    wrist, ankle = PENN.index("left_wrist", "left_ankle")
    # wrist, elbow, shoulder, hip, knee, ankle
    assert int(hop_distances(PENN)[wrist, ankle]) == 5


def test_unconnected_joints_have_a_distance_of_v() -> None:
    apart = JointLayout("apart", ("spine", "hand", "mouth"), ((0, 1),))
    assert hop_distances(apart)[2].tolist() == [3, 3, 0]
    assert parents(apart) == (0, 0, 2)


def test_the_centre_is_the_shoulder_centre_or_the_corners_of_the_trunk() -> None:
    ntu = layout("ntu-25")
    assert centre(ntu) == ntu.index("shoulder_centre") == (20,)  # joint 21 in ST-GCN's release
    assert set(centre(PENN)) == set(PENN.index("left_shoulder", "right_shoulder", "left_hip", "right_hip"))
    out = centre_distances(PENN)
    assert [int(out[i]) for i in PENN.index("head", "left_hip", "left_knee", "left_ankle")] == [1, 0, 1, 2]
    assert parents(PENN)[PENN.index("right_wrist")[0]] == PENN.index("right_elbow")[0]


def test_the_three_subsets_of_neighbours_by_hand() -> None:
    same, nearer, farther = spatial_partition(ARM)
    # Columns are the receiving joints, with 2, 3 and 2 neighbours including themselves.
    third = 1 / 3
    assert torch.allclose(same, torch.tensor([[0.5, 0, 0], [0, third, 0], [0, 0, 0.5]]))
    assert torch.allclose(nearer, torch.tensor([[0, third, 0], [0, 0, 0.5], [0, 0, 0]]))
    assert torch.allclose(farther, torch.tensor([[0, 0, 0], [0.5, 0, 0], [0, third, 0]]))


@pytest.mark.parametrize("name", ["penn-13", "ntu-25", "kinect-20", "coco-17", "blazepose-33"])
def test_adjacency_columns_sum_to_one(name: str) -> None:
    subsets = spatial_partition(layout(name))
    assert torch.allclose(subsets.sum(dim=(0, 1)), torch.ones(len(layout(name))))
    assert int((subsets > 0).sum(dim=0).max()) == 1, "a neighbour is in one subset only"


def test_adjacencies_by_distance_by_hand() -> None:
    itself, bone, two = hop_adjacencies(ARM, 2)
    assert torch.equal(itself, torch.eye(3))
    side = 2**-0.5  # degrees 1, 2, 1
    assert torch.allclose(bone, torch.tensor([[0, side, 0], [side, 0, side], [0, side, 0]]))
    assert torch.equal(two, torch.tensor([[0.0, 0, 1], [0, 0, 0], [1, 0, 0]]))


def test_graph_convolution_is_the_sum_over_subsets_in_a_plain_loop() -> None:
    torch.manual_seed(0)
    module, x = GraphConvolution(2, 4, ARM), torch.randn(1, 2, 1, 3)
    with torch.no_grad():
        module.importance.uniform_(0.5, 2)
    weight, bias = module.channels.weight.detach()[..., 0, 0], module.channels.bias.detach()
    expected = torch.zeros(4, 3)
    for subset, (matrix, gate) in enumerate(zip(spatial_partition(ARM), module.importance.detach(), strict=True)):
        for c in range(4):
            for v in range(3):
                value = bias[4 * subset + c] + sum(weight[4 * subset + c, i] * x[0, i, 0, v] for i in range(2))
                for w in range(3):
                    expected[c, w] += value * matrix[v, w] * gate[v, w]
    assert torch.allclose(module(x)[0, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_temporal_branches_have_a_receptive_field_of_nine_frames(stride: int) -> None:
    torch.manual_seed(0)
    module = TemporalBranches(96, stride).eval()
    x = torch.randn(1, 96, 16, 2, requires_grad=True)
    out = module(x)
    assert out.shape == (1, 96, 16 // stride, 2)
    out[0, :, 8 // stride, 0].sum().backward()
    assert x.grad is not None
    reached = x.grad[0].abs().sum(dim=0)
    assert reached[:, 0].nonzero().flatten().tolist() == list(range(4, 13))
    assert not reached[:, 1].any(), "no branch mixes joints"


def test_distances_of_all_pairs_in_a_plain_loop() -> None:
    x = torch.randn(2, 3, 4, 5)
    found = joint_distances(x, pair_differences(5))
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    assert found.shape == (2, 10, 4)
    for number, (i, j) in enumerate(pairs):
        for t in range(4):
            expected = np.hypot(*(x[1, :2, t, i] - x[1, :2, t, j]).tolist())
            assert float(found[1, number, t]) == pytest.approx(expected, rel=1e-5)


def test_motion_is_frame_differences_interpolated_to_the_number_of_frames() -> None:
    path = torch.tensor([0.0, 1, 4, 9]).reshape(1, 1, 4, 1)
    # Differences 1, 3, 5; read at -0.125 (the first), 0.625, 1.375 and 2.125 (the last).
    assert motion(path).flatten().tolist() == pytest.approx([1, 2.25, 3.75, 5])
    assert motion(path, 2).flatten().tolist() == pytest.approx([4, 4])


def test_inputs_of_efficient_gcn_match_joints_motion_and_bones_by_hand() -> None:
    # Frame 0: spine at (1, 1), elbow at (4, 5), hand at (4, 6); frame 1 is shifted right by one; then still.
    first = torch.tensor([[1.0, 4, 4], [1, 5, 6], [1, 1, 0]])
    second = first + torch.tensor([[1.0], [0], [0]])
    clip = torch.stack([first, second, second], dim=1)[None]
    joints, motions, bones = (branch[0] for branch in Inputs(ARM)(clip))
    assert joints[:2, 0].tolist() == first[:2].tolist()
    assert joints[2:4, 0].tolist() == [[0, 3, 3], [0, 4, 5]], "relative to the spine"
    assert motions[0, :, 0].tolist() == [1, 0, 0], "over two frames; zero for the last two"
    assert motions[2, :, 0].tolist() == [1, 0, 0] and not motions[3].any()
    assert bones[:2, 0].tolist() == [[0, 3, 0], [0, 4, 1]], "elbow from spine, hand from elbow"
    angles = np.cos(bones[2:4, 0, 1].numpy())
    np.testing.assert_allclose(angles, [3 / 5, 4 / 5], atol=1e-4)
    for branch in (joints, motions, bones):
        assert torch.equal(branch[4], clip[0, 2]), "visibility is the last channel"


@pytest.mark.parametrize(
    ("name", "joints", "classes", "published"),
    [
        ("st_gcn", "ntu-25", 60, "3.10"),  # PYSKL's table: 3.1 M
        ("st_gcn_pp", "coco-17", 60, "1.39"),  # PYSKL's table, 2-D poses
        ("dd_net", "kinect-22", 14, "1.82"),  # DD-Net's table 3 (SHREC): 22 joints, three coordinates
        ("dd_net_m", "kinect-22", 14, "0.50"),
        ("dd_net_s", "kinect-22", 14, "0.15"),
    ],
)
def test_networks_have_the_published_number_of_parameters(name: str, joints: str, classes: int, published: str) -> None:
    network = build(name, classes=classes, layout=layout(joints), bodies=1)
    assert f"{parameters(network) / 1e6:.2f}" == published


def test_efficient_gcn_b0_has_the_published_number_of_parameters() -> None:
    # Table of the paper, NTU. The profiler of the release counts convolutions, norms and linear layers, not the learned
    # edges. Its three branches read six channels each, from three coordinates; the sixth is counted by hand: BatchNorm,
    # three convolutions of the graph and the shortcut, to 64 channels.
    network = build("efficient_gcn_b0", classes=60, layout=layout("ntu-25"), bodies=2)
    edges = sum(weight.numel() for name, weight in network.named_parameters() if name.endswith("importance"))
    assert f"{(parameters(network) - edges + 3 * (2 + 3 * 64 + 64)) / 1e6:.2f}" == "0.29"


@pytest.mark.parametrize("name", ["dd_net_s", "efficient_gcn_b0"])
def test_onnx_and_pytorch_agree(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build(name, classes=5, layout=PENN, bodies=1, width=8)
    clips: Tensor = torch.randn(2, 3, 16, 13, 1)
    write_onnx(network, clips.numpy(), tmp_path / "network.onnx")
    found = OnnxRuntimeEngine(tmp_path / "network.onnx", threads=1).run({"clip": clips.numpy()})["logits"]
    with torch.inference_mode():
        expected = network.eval()(clips)[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
