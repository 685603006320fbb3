"""The recognisers: shapes, sizes, and each part against a plain loop."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from pkgutil import iter_modules

import pytest
import torch
from drawn import parameters, seeded
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from edge.contract.errors import ConfigError
from edge.contract.layouts import JointLayout, layout
from edge.contract.preprocess import Preprocessing
from train import networks
from train.checkpoint import load_checkpoint
from train.configuration import TeacherConfig
from train.data.configuration import DataConfig
from train.data.pairs import PairConfig
from train.networks.dense_gcn import DenseGcn, normalised_adjacency
from train.networks.registry import NETWORKS, Network, build, default_width
from train.optimiser import Optimiser
from train.teach import train_teacher

PENN = layout("penn-13")


def trained(name: str, bodies: int) -> nn.Module:
    """A small network whose BatchNorm has seen data, so that its parts do not cancel out."""
    torch.manual_seed(1)
    network = build(name, classes=3, layout=PENN, bodies=bodies, width=4)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0  # otherwise little of the input is left after six units
    network(seeded(8, 3, 32, 13, bodies))
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bodies", [1, 2])
def test_every_network_gives_logits_and_features_of_the_stated_shape(name: str, bodies: int) -> None:
    network = build(name, classes=5, layout=PENN, bodies=bodies, width=4)
    logits, features = network(seeded(3, 3, 16, 13, bodies))
    assert logits.shape == (3, 5)
    channels = 8 if name == "efficient_gcn_b0" else 16  # twice the stem's; for all others four times the first units'
    assert features.shape == (3 * bodies, channels, 4, 13) and network.features == channels


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bodies", [1, 2])
def test_a_clip_gives_the_same_logits_alone_and_in_a_batch(name: str, bodies: int) -> None:
    # 32 frames: a causal network's shortcuts carry nothing before frame 22.
    network, clips = trained(name, bodies), seeded(4, 3, 32, 13, bodies)
    with torch.inference_mode():
        together = network(clips)[0]
        alone = torch.cat([network(clip[None])[0] for clip in clips])
    assert torch.allclose(alone, together, rtol=1e-4, atol=1e-5)
    assert float(together.std(dim=0).min()) > 1e-3, "different clips give different logits"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_order_of_bodies_does_not_matter_after_input_normalisation(name: str) -> None:
    network, clip = trained(name, 2), seeded(1, 3, 8, 13, 2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d) and module.num_features == 2 * 13 * 3:
            module.reset_running_stats()  # Shift-GCN normalises each body by its own statistics
    with torch.inference_mode():
        assert torch.allclose(network(clip)[0], network(clip.flip(-1))[0], atol=1e-5)


def test_dense_gcn_has_the_stated_number_of_parameters() -> None:
    w, k, v = 8, 4, 13
    total, before = 3 * w + 2 * w + (4 * w + 1) * k, w
    for after, stride in [(w, 1), (w, 1), (2 * w, 2), (2 * w, 1), (4 * w, 2), (4 * w, 1)]:
        total += v * v + before * after + 2 * after + 5 * after * after + 2 * after
        total += before * after + 2 * after if before != after or stride == 2 else 0
        before = after
    assert parameters(build("dense_gcn", classes=k, layout=PENN, bodies=1, width=w)) == total


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


def test_an_untrained_dense_gcn_mixes_joints_along_bones_only() -> None:
    network = DenseGcn(3, PENN, 1, width=4)
    mix = network.get_parameter("units.0.mix").detach()
    joined = {(i, i) for i in range(13)} | set(PENN.edges) | {(j, i) for i, j in PENN.edges}
    assert {(int(i), int(j)) for i, j in mix.nonzero()} == joined


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    known = r"unknown network .resnet.; known networks: dd_net, .*dense_gcn, dense_gcn_l"
    with pytest.raises(ConfigError, match=known):
        build("resnet", classes=2, layout=PENN, bodies=1, width=4)


@dataclass(frozen=True)
class Row:
    width: int
    parameters: float
    small: float
    ntu: float


def table() -> dict[str, Row]:
    """benchmarks/networks.md by network, in millions."""
    text = (Path(__file__).parents[2] / "benchmarks" / "networks.md").read_text()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "| " in line]
    return {row[0]: Row(int(row[1]), *(float(cell.removesuffix(" M")) for cell in row[2:])) for row in cells[1:]}


def macs(network: nn.Module, frames: int, joints: int, bodies: int) -> int:
    """Multiply-accumulates of convolutions and matrix products for one clip."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, 3, frames, joints, bodies))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_of_costs_matches_the_networks(name: str) -> None:
    row = table()[name]
    assert default_width(name) == row.width
    small = build(name, classes=37, layout=PENN, bodies=1)
    assert round(sum(p.numel() for p in small.parameters()) / 1e6, 2) == row.parameters
    assert round(macs(small, frames=32, joints=13, bodies=1) / 1e6) == row.small
    ntu = build(name, classes=60, layout=layout("ntu-25"), bodies=2)
    assert round(macs(ntu, frames=100, joints=25, bodies=2) / 1e6) == row.ntu


@pytest.mark.parametrize("name", [name for name in NETWORKS if name.startswith("dense_gcn")])
def test_macs_of_dense_gcn_counted_by_hand(name: str) -> None:
    w, t, v, k = default_width(name), 32, 13, 37
    # With motion the stem convolves three frames, and in a stream one past frame more.
    stem_frames = {"dense_gcn_motion": 3 * t, "dense_gcn_motion_stream": 3 * (t + 1)}.get(name, t)
    expected, before = 3 * stem_frames * w * v, w
    for after, stride in [(w, 1), (w, 1), (2 * w, 2), (2 * w, 1), (4 * w, 2), (4 * w, 1)]:
        expected += before * t * v * v + before * after * t * v  # adjacency, 1x1 convolution
        t //= stride
        expected += 5 * after * after * t * v  # temporal convolution
        expected += before * after * t * v if before != after else 0
        before = after
    assert macs(build(name, classes=k, layout=PENN, bodies=1), 32, 13, 1) == expected + 4 * w * k


def test_a_custom_network_is_one_registry_entry_and_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Toy(nn.Module):
        def __init__(self, classes: int, width: int) -> None:
            super().__init__()
            self.features = width
            self.time = nn.Conv2d(3, width, (4, 1), (4, 1))
            self.fc = nn.Linear(width, classes)

        def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
            x = self.time(clip.permute(0, 4, 1, 2, 3).flatten(0, 1)).relu()
            return self.fc(x.mean(dim=(2, 3)).unflatten(0, (len(clip), -1)).mean(dim=1)), x

    monkeypatch.setitem(NETWORKS, "toy", Network(lambda classes, layout, bodies, width: Toy(classes, width), width=6))
    pairs = PairConfig(preprocessing=Preprocessing(length_frames=16, fps=10), layout="penn-13", span="window")
    data = DataConfig(clips_per_class=4, pairs=pairs)
    config = TeacherConfig(out=tmp_path, data=data, network="toy", optimiser=Optimiser(epochs=1, batch=16))
    train_teacher(config)
    trained = load_checkpoint(tmp_path)
    assert trained.about["width"] == 6 and isinstance(trained.rebuild(tmp_path), Toy)


def test_a_network_has_its_default_width_unless_another_is_given() -> None:
    assert build("dense_gcn_s", classes=2, layout=PENN, bodies=1).features == 4 * 32
    assert build("dense_gcn_s", classes=2, layout=PENN, bodies=1, width=8).features == 4 * 8


def test_every_module_states_the_shapes_of_its_forward() -> None:
    files = [importlib.import_module(f"train.networks.{name}") for _, name, _ in iter_modules(networks.__path__)]
    modules = [kind for file in files for kind in vars(file).values() if isinstance(kind, type)]
    modules = [
        kind for kind in modules if issubclass(kind, nn.Module) and kind.__module__.startswith("train.networks.")
    ]
    assert len(set(modules)) > 25
    assert not {kind for kind in modules if "->" not in f"{kind.__doc__} {kind.forward.__doc__}"}
