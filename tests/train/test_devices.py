"""A training step on another device than the CPU, tested without one: meta tensors hold no data, and like a GPU's
cannot be combined with CPU tensors."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from edge.contract.errors import ConfigError
from edge.contract.layouts import layout
from train.configuration import Hardware
from train.hardware import launch, on_gpu
from train.networks.registry import NETWORKS, build
from train.step import COMBINERS, LOSSES, Batch, Distillation, distillation_losses, gradient_rows, task_losses

DEVICE = "meta"
FABRIC = cast("Any", SimpleNamespace(autocast=nullcontext))
# Motion stems switch autocast off, which PyTorch supports only for the CPU and real accelerators.
TRIED = sorted(name for name in NETWORKS if "motion" not in name)


def network(name: str, bodies: int = 2) -> nn.Module:
    return build(name, classes=5, layout=layout("penn-13"), bodies=bodies, width=8)


def batch() -> Batch:
    clips = torch.zeros(4, 3, 8, 13, 2, device=DEVICE)
    return Batch(clips, clips, torch.zeros(4, 5, device=DEVICE))


def moved(module: nn.Module) -> nn.Module:
    return module.to(DEVICE, torch.float32)


@pytest.mark.parametrize("name", TRIED)
def test_every_network_computes_on_the_device_of_its_weights(name: str) -> None:
    on_cpu = network(name)
    with FakeTensorMode(allow_non_fake_inputs=True):
        losses = task_losses(moved(on_cpu), batch().low, batch().targets, FABRIC)
    assert losses["task"].device.type == DEVICE


@pytest.mark.parametrize("name", ["shift_gcn_student", "dense_gcn_stream"])
def test_every_loss_and_gradient_combination_stays_on_the_device(name: str) -> None:
    student, teacher = network(name), network("shift_gcn_teacher").eval().requires_grad_(False)
    adapter = nn.Conv2d(cast("int", student.features), cast("int", teacher.features), 1)
    with FakeTensorMode(allow_non_fake_inputs=True):
        distillation = Distillation(moved(teacher), moved(adapter), dict.fromkeys(LOSSES, 1.0))
        losses = distillation_losses(moved(student), distillation, batch(), FABRIC)
        parameters = [*student.parameters(), *adapter.parameters()]
        apart = gradient_rows(list(losses.values()), parameters)
        together = gradient_rows([sum(losses.values(), torch.zeros(()))], parameters)
        steps = [COMBINERS["sum"](together), COMBINERS["revision"](apart), COMBINERS["pcgrad"](apart)]
    assert {step.device.type for step in steps} == {DEVICE}
    assert {step.shape for step in steps} == {(sum(p.numel() for p in parameters),)}


def test_a_tensor_left_on_the_cpu_is_noticed() -> None:
    class Forgotten(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.order, self.fc = torch.arange(13), nn.Linear(13, 5)

        def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
            return self.fc(clip[:, 0, 0, :, 0].index_select(1, self.order)), clip

    on_cpu = Forgotten()
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(RuntimeError, match="same device"):
        task_losses(moved(on_cpu), batch().low, batch().targets, FABRIC)


def test_more_gpus_than_available_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for accelerator in ("auto", "cuda"):
        with pytest.raises(ConfigError, match=r"cannot start on this hardware: .*\[0, 1\].*; see --hardware\.devices"):
            launch(Hardware(accelerator, devices=2))  # type: ignore[arg-type]


@pytest.mark.parametrize(("accelerator", "available", "used"), [
    ("auto", True, True), ("auto", False, False), ("cuda", True, True), ("cpu", True, False),
])  # fmt: skip
def test_a_gpu_is_used_if_requested_or_available(
    accelerator: Any, available: bool, used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert on_gpu(Hardware(accelerator)) is used
