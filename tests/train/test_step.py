"""One training step: ``.grad`` against separate backward passes of the same networks."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from edge.contract.errors import ConfigError
from train.distillation.baselines import pcgrad
from train.distillation.losses import Outputs
from train.step import LOSSES, Batch, Distillation, compute_gradients, distillation_losses, gradient_rows, task_losses

CLIPS, CLASSES, T, V = 6, 3, 4, 5
ALL = {"logits": 1.0, "vertices": 0.5, "edges": 2.0}
FABRIC = Fabric(accelerator="cpu", devices=1)


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


def given(losses: dict[str, float] = ALL, seed: int = 0) -> tuple[Tiny, Distillation, Batch]:
    torch.manual_seed(seed)
    distillation = Distillation(Tiny(6), nn.Conv2d(4, 6, 1), losses)
    clips = torch.randn(2, CLIPS, 3, T, V, 1)
    return Tiny(4), distillation, Batch(clips[0], clips[1], F.one_hot(torch.arange(CLIPS) % CLASSES, CLASSES).float())


def step(student: Tiny, distillation: Distillation, *batches: Batch, combine: str = "revision") -> dict[str, float]:
    return compute_gradients(
        lambda batch: distillation_losses(student, distillation, batch, FABRIC),
        batches,
        list(student.parameters()),
        list(distillation.adapter.parameters()),
        combine,
        FABRIC,
    )


def separate(student: Tiny, distillation: Distillation, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """Gradients (of the student, of the adapter) as flat vectors: the task's first, then each loss's.

    Every one comes from a forward and a backward pass of its own.
    """
    with torch.no_grad():
        zt, ft = distillation.teacher(batch.high)
    gradients = []
    for name in ("task", *distillation.weights):
        student.zero_grad(set_to_none=True)
        distillation.adapter.zero_grad(set_to_none=True)
        zs, fs = student(batch.low)
        if name == "task":
            F.cross_entropy(zs, batch.targets.argmax(dim=1)).backward()
        else:
            (distillation.weights[name] * LOSSES[name](Outputs(zs, fs, distillation.adapter(fs), zt, ft))).backward()
        gradients.append((flat(student), flat(distillation.adapter)))
    student.zero_grad(set_to_none=True)
    distillation.adapter.zero_grad(set_to_none=True)
    return gradients


def flat(module: nn.Module) -> Tensor:
    return torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad.clone()).flatten() for p in module.parameters()]
    )


def opposed(losses: dict[str, float] = ALL) -> tuple[Tiny, Distillation, Batch]:
    """A case in which at least one loss opposes the task, so that revision has an effect."""
    for seed in range(100):
        case = given(losses, seed=seed)
        (task, _), *imitation = separate(*case)
        if any(float(gradient @ task) < -1e-4 for gradient, _ in imitation):
            return case
    raise AssertionError("no seed gives gradients that oppose the task")


def test_without_revision_the_gradient_is_the_plain_sum() -> None:
    student, distillation, batch = given()
    gradients = separate(student, distillation, batch)
    step(student, distillation, batch, combine="sum")
    assert torch.allclose(flat(student), torch.stack([own for own, _ in gradients]).sum(0), rtol=1e-4, atol=1e-6)
    assert torch.allclose(
        flat(distillation.adapter), torch.stack([a for _, a in gradients]).sum(0), rtol=1e-4, atol=1e-6
    )


def revised(task: Tensor, imitation: list[Tensor]) -> Tensor:
    expected = task.clone()
    for gradient in imitation:
        agreement = gradient @ task
        expected += gradient if agreement >= 0 else gradient - agreement / (task @ task) * task
    return expected


def test_with_revision_each_opposing_gradient_loses_its_component_along_the_task() -> None:
    student, distillation, batch = opposed()
    (task, _), *imitation = separate(student, distillation, batch)
    expected = revised(task, [own for own, _ in imitation])
    plain = task + sum((own for own, _ in imitation), torch.zeros_like(task))
    step(student, distillation, batch)
    assert torch.allclose(flat(student), expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(flat(student), plain, rtol=1e-3, atol=1e-5)


def test_over_several_batches_gradients_are_averaged_before_revision() -> None:
    student, distillation, batch = opposed()
    other = Batch(batch.low.flip(0), batch.high.roll(1, 0), batch.targets.roll(2, 0))
    one, two = separate(student, distillation, batch), separate(student, distillation, other)
    means = [(a + b) / 2 for (a, _), (b, _) in zip(one, two, strict=True)]
    step(student, distillation, batch, other)
    assert torch.allclose(flat(student), revised(means[0], means[1:]), rtol=1e-4, atol=1e-6)


def test_over_several_batches_the_losses_returned_are_means() -> None:
    student, distillation, batch = given()
    other = Batch(batch.low.flip(0), batch.high.roll(1, 0), batch.targets.roll(2, 0))
    one, two = step(student, distillation, batch), step(student, distillation, other)
    means = {name: (one[name] + two[name]) / 2 for name in one}
    assert step(student, distillation, batch, other) == pytest.approx(means, rel=1e-5)


def test_pcgrad_compares_the_students_gradients_alone_and_sums_the_adapters() -> None:
    for seed in range(100):
        student, distillation, batch = given(seed=seed)
        own, extra = (torch.stack(rows) for rows in zip(*separate(student, distillation, batch), strict=True))
        step(student, distillation, batch, combine="pcgrad")
        assert torch.allclose(flat(student), pcgrad(own), rtol=1e-4, atol=1e-6)
        assert torch.allclose(flat(distillation.adapter), extra.sum(0), rtol=1e-4, atol=1e-6)
        if not torch.allclose(pcgrad(extra), extra.sum(0), rtol=1e-2):
            return
    raise AssertionError("no seed gives gradients that oppose each other in the adapter")


def test_the_adapters_gradient_is_not_revised() -> None:
    student, distillation, batch = opposed()
    expected = torch.stack([extra for _, extra in separate(student, distillation, batch)]).sum(0)
    step(student, distillation, batch)
    assert float(expected.abs().max()) > 0
    assert torch.allclose(flat(distillation.adapter), expected, rtol=1e-4, atol=1e-6)


def test_the_teacher_gets_no_gradient_and_does_not_change() -> None:
    student, distillation, batch = given()
    before = [p.clone() for p in distillation.teacher.parameters()]
    step(student, distillation, batch)
    assert all(p.grad is None for p in distillation.teacher.parameters())
    assert all(torch.equal(p, q) for p, q in zip(distillation.teacher.parameters(), before, strict=True))


def test_the_student_reads_lq_clips_and_the_teacher_hq_clips() -> None:
    student, distillation, batch = given({"logits": 1.0})
    losses = step(student, distillation, batch)
    zs, fs = student(batch.low)
    zt, ft = distillation.teacher(batch.high)
    assert losses["task"] == pytest.approx(float(F.cross_entropy(zs, batch.targets).detach()), rel=1e-5)
    expected = float(LOSSES["logits"](Outputs(zs, fs, distillation.adapter(fs), zt, ft)).detach())
    assert losses["logits"] == pytest.approx(expected, rel=1e-5) and set(losses) == {"task", "logits"}


def test_a_loss_is_multiplied_by_its_weight() -> None:
    once, twice = (step(*given({"vertices": weight}))["vertices"] for weight in (1.0, 2.0))
    assert twice == pytest.approx(2 * once, rel=1e-5)


def test_a_step_replaces_grad() -> None:
    student, distillation, batch = given()
    step(student, distillation, batch)
    once = flat(student)
    step(student, distillation, batch)
    assert torch.allclose(flat(student), once, rtol=1e-4, atol=1e-7)


def test_a_task_step_is_the_gradient_of_the_cross_entropy_alone() -> None:
    student, distillation, batch = given({})
    (expected, _), *_ = separate(student, distillation, batch)
    own = list(student.parameters())
    losses = compute_gradients(
        lambda b: task_losses(student, b.low, b.targets, FABRIC), [batch], own, [], "sum", FABRIC
    )
    assert torch.allclose(flat(student), expected, rtol=1e-5, atol=1e-7)
    assert set(losses) == {"task"}


def test_in_bfloat16_losses_and_gradients_stay_in_single_precision() -> None:
    student, distillation, batch = given()
    (expected, _), *_ = separate(student, distillation, batch)
    coarse = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    losses = distillation_losses(student, distillation, batch, coarse)
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    rows = gradient_rows(list(losses.values()), list(student.parameters()))
    assert rows.dtype == torch.float32
    assert float(F.cosine_similarity(rows[0], expected, dim=0)) > 0.99
    assert not torch.allclose(rows[0], expected, rtol=1e-6), "the networks did compute in bfloat16"


@pytest.mark.parametrize(("adapter_bias", "named"), [(float("nan"), "vertices nan"), (1e30, "vertices inf")])
def test_a_loss_that_is_not_finite_stops_the_run_and_is_named(adapter_bias: float, named: str) -> None:
    student, distillation, batch = given({"vertices": 1.0})
    nn.init.constant_(distillation.adapter.get_parameter("bias"), adapter_bias)
    with pytest.raises(ConfigError, match=rf"not finite \(task [0-9.]+, {named}\); .*learning_rate"):
        step(student, distillation, batch)
    assert all(p.grad is None for p in student.parameters())


def test_a_task_loss_that_is_not_finite_stops_the_run() -> None:
    student, distillation, batch = given({})
    nn.init.constant_(student.fc.bias, float("nan"))
    with pytest.raises(ConfigError, match="task nan"):
        step(student, distillation, batch)
