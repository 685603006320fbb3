"""Weights of the public Shift-GCN releases: loaded as stored, with the releases' logits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from edge.contract.errors import ConfigError, DataError, SkdError
from edge.contract.layouts import layout
from edge.contract.preprocess import Preprocessing
from tests.train.shift_gcn_by_loops import logits, random_checkpoint
from train.checkpoint import load_checkpoint
from train.configuration import TeacherConfig
from train.data.configuration import DataConfig
from train.data.pairs import PairConfig
from train.fit import moving_average
from train.networks.registry import build
from train.networks.release import load_release
from train.networks.shift_gcn import ShiftGcn, joint_shift
from train.optimiser import Optimiser
from train.teach import train_teacher

NTU, PENN = layout("ntu-25"), layout("penn-13")
KINDS = [("shift_gcn_teacher", False), ("shift_gcn_student", True)]

Checkpoint = dict[str, Tensor]


def small(inter_body: bool = False) -> Checkpoint:
    """A checkpoint for three classes, two bodies of 13 joints, width 4."""
    state = random_checkpoint(3, 13, 2, 4, inter_body)
    return {name: torch.from_numpy(np.asarray(value)) for name, value in state.items()}


def network(name: str = "shift_gcn_teacher", **other: Any) -> ShiftGcn:
    built = build(name, **{"classes": 3, "layout": PENN, "bodies": 2, "width": 4, **other})
    assert isinstance(built, ShiftGcn)
    return built


@pytest.mark.parametrize(("name", "inter_body"), KINDS)
def test_a_released_checkpoint_gives_the_logits_of_plain_loops(name: str, inter_body: bool, tmp_path: Path) -> None:
    state = random_checkpoint(60, 25, 2, 64, inter_body)
    torch.save({key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}, tmp_path / "ntu.pt")
    built = build(name, classes=60, layout=NTU, bodies=2, width=64).eval()
    load_release(built, tmp_path / "ntu.pt")
    clips = np.random.default_rng(1).standard_normal((2, 3, 20, 25, 2)).astype(np.float32)
    with torch.inference_mode():
        given = built(torch.from_numpy(clips))[0].numpy()
    expected = logits(state, clips.astype(np.float64))
    assert expected.std() > 0.1 and np.abs(expected[0] - expected[1]).max() > 0.01, "the check must be able to fail"
    np.testing.assert_allclose(given, expected, atol=1e-4)


@pytest.mark.parametrize(("name", "inter_body"), KINDS)
def test_a_state_dict_has_the_releases_names_shapes_and_dtypes(name: str, inter_body: bool) -> None:
    own = {key: (tuple(value.shape), value.dtype) for key, value in network(name).state_dict().items()}
    assert own == {key: (tuple(value.shape), value.dtype) for key, value in small(inter_body).items()}


WRAPPED: list[Callable[[Checkpoint], Any]] = [
    lambda state: state,
    lambda state: {f"module.{name}": value for name, value in state.items()},
    lambda state: {"state_dict": state, "epoch": 3},
    lambda state: {"model": {f"module.{name}": value for name, value in state.items()}},
    lambda state: state | {"adaption.weight": torch.zeros(16, 16, 1, 1), "adaption.bias": torch.zeros(16)},
    lambda state: {name: value for name, value in state.items() if "num_batches_tracked" not in name},
]


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_a_checkpoint_is_unwrapped(wrap: Callable[[Checkpoint], Any], zipped: bool, tmp_path: Path) -> None:
    torch.save(wrap(small()), tmp_path / "weights.pt", _use_new_zipfile_serialization=zipped)
    built = network()
    load_release(built, tmp_path / "weights.pt")
    loaded = built.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in small().items() if "num_batches" not in name)


def changed(name: str, value: Callable[[Tensor], Tensor]) -> Callable[[Checkpoint], Any]:
    return lambda state: state | {name: value(state[name])}


REFUSED: list[tuple[Callable[[Checkpoint], Any], dict[str, Any], type[SkdError], str]] = [
    (lambda s: s, {"layout": NTU}, ConfigError, "network with 13 joints, this one has 25; give --data.pairs.layout"),
    (lambda s: s, {"classes": 60}, ConfigError, "network with 3 classes, this one has 60"),
    (lambda s: s, {"bodies": 1}, ConfigError, "network with 2 bodies, this one has 1"),
    (lambda s: s, {"width": 8}, ConfigError, "with 4 channels in the first unit, this one has 8; give --width"),
    (lambda s: small(True), {}, ConfigError, "with 10 inter-body units, this one has 0; shift_gcn_teacher has none"),
    (lambda s: {k: v for k, v in s.items() if "l3" not in k}, {}, DataError, r"weights: Missing key.+l3\."),
    (lambda s: s | {"l11.fc": s["fc.bias"]}, {}, DataError, r"weights: Unexpected key.+l11\.fc"),
    (changed("fc.bias", lambda v: v[:2]), {}, DataError, r"weights: size mismatch for fc\.bias"),
    (changed("fc.bias", lambda v: v * float("nan")), {}, DataError, "fc.bias is not finite"),
    (changed("l2.gcn1.shift_in", lambda v: v.roll(1)), {}, DataError, r"shift_in is another permutation"),
    (changed("l2.tcn1.shift_in.xpos", lambda v: v + 0.3), {}, DataError, "xpos shifts over joints by up to 0.3"),
    (lambda s: {"fc.weight": s["fc.weight"]}, {}, DataError, "not a checkpoint of Shift-GCN: it has no l1.gcn1"),
    (lambda s: [1, 2], {}, DataError, "contains a list, not a state dict"),
    (lambda s: {"lr": 0.1}, {}, DataError, "entry lr is not a tensor"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "other", "error", "line"), REFUSED, ids=[case[3][:40] for case in REFUSED])
def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(
    change: Callable[[Checkpoint], Any], other: dict[str, Any], error: type[SkdError], line: str, tmp_path: Path
) -> None:
    torch.save(change(small()), tmp_path / "weights.pt")
    with pytest.raises(error, match=line) as refused:
        load_release(network(**other), tmp_path / "weights.pt")
    assert "\n" not in str(refused.value) and str(tmp_path / "weights.pt") in str(refused.value)


def test_files_that_are_missing_damaged_or_for_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the file is missing"):
        load_release(network(), tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(DataError, match="cannot be read as PyTorch weights"):
        load_release(network(), tmp_path / "text.pt")
    with pytest.raises(ConfigError, match="only shift_gcn_teacher and shift_gcn_student"):
        load_release(build("dense_gcn", classes=3, layout=PENN, bodies=2), tmp_path / "text.pt")


def test_weight_averaging_does_not_change_the_permutations() -> None:
    built, table = network(), joint_shift(13, 16, -1)
    averaged_as_a_buffer = (table * 0.9 + table * (1 - 0.9)).long()
    assert not torch.equal(averaged_as_a_buffer, table), "with this decay, rounding would tell"
    average = AveragedModel(built, multi_avg_fn=moving_average(0.9), use_buffers=True)
    for _ in range(3):
        average.update_parameters(built)
    assert torch.equal(average.module.state_dict()["l10.gcn1.shift_out"], table)


def test_training_starts_from_a_releases_weights(tmp_path: Path) -> None:
    state = random_checkpoint(12, 13, 1, 4, inter_body=False)
    weights = {name: torch.from_numpy(np.asarray(value)) for name, value in state.items()}
    torch.save(weights, tmp_path / "weights.pt")
    pairs = PairConfig(preprocessing=Preprocessing(length_frames=16, fps=10), layout="penn-13", span="window")
    train_teacher(
        TeacherConfig(
            out=tmp_path / "run",
            data=DataConfig(clips_per_class=4, pairs=pairs),
            weights=tmp_path / "weights.pt",
            width=4,
            optimiser=Optimiser(epochs=1, batch=16, learning_rate=1e-9),
        )
    )
    trained = load_checkpoint(tmp_path / "run").rebuild(tmp_path / "run").state_dict()
    assert torch.allclose(trained["l7.tcn1.shift_out.ypos"], weights["l7.tcn1.shift_out.ypos"], atol=1e-5)
    assert torch.allclose(trained["fc.weight"], weights["fc.weight"], atol=1e-5)
