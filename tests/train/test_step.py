"""One training step: what it puts into ``.grad``, by separate backward passes of the same networks."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.errors import ConfigError
from train.losses import DISTILLATION
from train.step import Batch, Teaching, distillation_step, task_step

CLIPS, CLASSES, T, V = 6, 3, 4, 5
ALL = ("logits", "vertices", "edges")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    """Networks this small wait longer for a second thread than they compute."""
    torch.set_num_threads(1)


class Tiny(nn.Module):
    """Clip (N, 3, T, V, 1) -> (logits (N, K), features (N, D, T, V))."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, features, 1)
        self.unit = nn.Conv2d(features, features, (3, 1), padding=(1, 0))
        self.fc = nn.Linear(features, CLASSES)

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.tanh(self.unit(torch.tanh(self.stem(clip.squeeze(-1)))))
        return self.fc(x.mean(dim=(2, 3))), x


def given(losses: tuple[str, ...] = ALL, revise: bool = True, seed: int = 0) -> tuple[Tiny, Teaching, Batch]:
    torch.manual_seed(seed)
    teaching = Teaching(Tiny(6), nn.Conv2d(4, 6, 1), losses, revise)
    clips = torch.randn(2, CLIPS, 3, T, V, 1)
    return Tiny(4), teaching, Batch(clips[0], clips[1], torch.arange(CLIPS) % CLASSES)


def separate(student: Tiny, teaching: Teaching, batch: Batch, smoothing: float) -> list[tuple[Tensor, Tensor]]:
    """Gradients (of the student, of the adapter) as flat vectors: the task's first, then each loss's.

    Every one comes from a forward and a backward pass of its own.
    """
    with torch.no_grad():
        zt, ft = teaching.teacher(batch.high)
    gradients = []
    for name in ("task", *teaching.losses):
        student.zero_grad(set_to_none=True)
        teaching.adapter.zero_grad(set_to_none=True)
        zs, fs = student(batch.low)
        if name == "task":
            F.cross_entropy(zs, batch.labels, label_smoothing=smoothing).backward()
        else:
            DISTILLATION[name](zs, zt, teaching.adapter(fs), ft).backward()
        gradients.append((flat(student), flat(teaching.adapter)))
    student.zero_grad(set_to_none=True)
    teaching.adapter.zero_grad(set_to_none=True)
    return gradients


def flat(module: nn.Module) -> Tensor:
    return torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad.clone()).flatten() for p in module.parameters()]
    )


def opposed(losses: tuple[str, ...] = ALL) -> tuple[Tiny, Teaching, Batch]:
    """A case in which at least one loss opposes the task, so that revision has something to do."""
    for seed in range(100):
        case = given(losses, seed=seed)
        (task, _), *imitation = separate(*case, smoothing=0.0)
        if any(float(own @ task) < 0 for own, _ in imitation):
            return case
    raise AssertionError("no seed gives gradients that oppose the task")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_revision_the_gradient_is_the_plain_sum(smoothing: float) -> None:
    student, teaching, batch = given(revise=False)
    gradients = separate(student, teaching, batch, smoothing)
    distillation_step(student, teaching, batch, smoothing)
    assert torch.allclose(flat(student), torch.stack([own for own, _ in gradients]).sum(0), rtol=1e-4, atol=1e-6)
    assert torch.allclose(flat(teaching.adapter), torch.stack([a for _, a in gradients]).sum(0), rtol=1e-4, atol=1e-6)


def test_with_revision_each_opposing_gradient_loses_its_part_along_the_task() -> None:
    student, teaching, batch = opposed()
    (task, _), *imitation = separate(student, teaching, batch, 0.0)
    expected = task.clone()
    for gradient, _ in imitation:
        agreement = gradient @ task
        expected += gradient if agreement >= 0 else gradient - agreement / (task @ task) * task
    plain = task + sum((own for own, _ in imitation), torch.zeros_like(task))
    distillation_step(student, teaching, batch, 0.0)
    assert torch.allclose(flat(student), expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(flat(student), plain, rtol=1e-3, atol=1e-5)


def test_the_adapter_is_no_part_of_the_student_and_is_not_revised() -> None:
    student, teaching, batch = opposed()
    expected = torch.stack([extra for _, extra in separate(student, teaching, batch, 0.0)]).sum(0)
    distillation_step(student, teaching, batch, 0.0)
    assert float(expected.abs().max()) > 0
    assert torch.allclose(flat(teaching.adapter), expected, rtol=1e-4, atol=1e-6)


def test_the_teacher_gets_no_gradient_and_stays_as_it_is() -> None:
    student, teaching, batch = given()
    before = [p.clone() for p in teaching.teacher.parameters()]
    distillation_step(student, teaching, batch, 0.0)
    assert all(p.grad is None for p in teaching.teacher.parameters())
    assert all(torch.equal(p, q) for p, q in zip(teaching.teacher.parameters(), before, strict=True))


def test_the_student_reads_the_poor_clips_and_the_teacher_the_good_ones() -> None:
    student, teaching, batch = given(("logits",))
    told = distillation_step(student, teaching, batch, 0.0)
    zs, zt = student(batch.low)[0], teaching.teacher(batch.high)[0]
    assert told["task"] == pytest.approx(float(F.cross_entropy(zs, batch.labels).detach()), rel=1e-5)
    expected = float(DISTILLATION["logits"](zs, zt, zs, zt).detach())
    assert told["logits"] == pytest.approx(expected, rel=1e-5) and set(told) == {"task", "logits"}


def test_a_step_replaces_what_was_in_grad() -> None:
    student, teaching, batch = given()
    distillation_step(student, teaching, batch, 0.0)
    once = flat(student)
    distillation_step(student, teaching, batch, 0.0)
    assert torch.allclose(flat(student), once, rtol=1e-4, atol=1e-7)


def test_a_task_step_is_the_gradient_of_the_cross_entropy_alone() -> None:
    student, teaching, batch = given(())
    (expected, _), *_ = separate(student, teaching, batch, 0.1)
    told = task_step(student, batch.low, batch.labels, 0.1)
    assert torch.allclose(flat(student), expected, rtol=1e-5, atol=1e-7)
    assert set(told) == {"task"}


@pytest.mark.parametrize(("adapter_bias", "told"), [(float("nan"), "vertices nan"), (1e30, "vertices inf")])
def test_a_loss_that_is_not_finite_stops_the_run_and_is_told_by_name(adapter_bias: float, told: str) -> None:
    student, teaching, batch = given(("vertices",))
    nn.init.constant_(teaching.adapter.get_parameter("bias"), adapter_bias)
    with pytest.raises(ConfigError, match=rf"not finite \(task [0-9.]+, {told}\); .*learning_rate"):
        distillation_step(student, teaching, batch, 0.0)
    assert all(p.grad is None for p in student.parameters())


def test_a_task_loss_that_is_not_finite_stops_the_run() -> None:
    student, _, batch = given()
    nn.init.constant_(student.fc.bias, float("nan"))
    with pytest.raises(ConfigError, match="task nan"):
        task_step(student, batch.low, batch.labels, 0.0)
