"""The baseline losses and PCGrad against hand calculations and the papers' formulas as loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from train.distillation.baselines import (
    pcgrad,
    relational_loss,
    soft_target_loss,
    triplet_cosines,
)
from train.distillation.losses import Outputs
from train.step import COMBINERS, LOSSES


def maps(*means: float) -> Tensor:
    """Feature maps (B, 1, 2, 2) with these means."""
    return torch.tensor([[[[m - 1, m + 1], [m, m]]] for m in means], dtype=torch.float64)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_hintons_loss_by_hand() -> None:
    # At temperature 4 the teacher's (4 ln 3, 0) is (3/4, 1/4) and the student's (1/2, 1/2); the second sample agrees.
    teacher = torch.tensor([[4 * math.log(3), 0.0], [1.0, 2.0]])
    student = torch.tensor([[5.0, 5.0], [11.0, 12.0]])
    expected = 4**2 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2
    assert float(soft_target_loss(student, teacher)) == pytest.approx(expected, abs=1e-5)


def test_angles_of_a_triangle_by_hand() -> None:
    # A right angle at (0, 0), between legs of 1 and 2.
    found = triplet_cosines(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]))
    assert float(found[0, 1, 2]) == pytest.approx(0)
    assert float(found[1, 0, 2]) == pytest.approx(1 / math.sqrt(5))
    assert float(found[2, 0, 1]) == pytest.approx(2 / math.sqrt(5))
    assert torch.allclose(found, found.transpose(1, 2))


def test_relational_loss_by_hand() -> None:
    # Student 0, 1, 3: relative distances 1/2, 3/2, 1. Teacher 0, 1, 11: 3/22, 33/22, 30/22. Two differ, by 4/11; each
    # stands twice in the nine entries, and below 1 counts half its square. On a line the angles are the same.
    expected = 25 * 2 * (2 * (4 / 11) ** 2 / 2) / 9
    assert float(relational_loss(maps(0, 1, 3), maps(0, 1, 11))) == pytest.approx(expected)


def test_relational_loss_equals_the_papers_formula_in_loops() -> None:
    student, teacher = 1e-3 * random(4, 3, 2, 5, seed=1), random(4, 6, 2, 5, seed=2).requires_grad_()
    ours, theirs = (x.detach().flatten(2).mean(dim=2) for x in (student, teacher))

    def huber(x: float, y: float) -> float:
        return (x - y) ** 2 / 2 if abs(x - y) < 1 else abs(x - y) - 0.5

    def distances(points: Tensor) -> dict[tuple[int, int], float]:
        found = {(i, j): math.dist(points[i], points[j]) for i in range(4) for j in range(4)}
        mean = sum(found.values()) / 12
        return {pair: distance / mean for pair, distance in found.items()}

    def cosine(points: Tensor, i: int, j: int, k: int) -> float:
        a, b = points[i] - points[j], points[k] - points[j]
        return float(a @ b / (a.norm() * b.norm())) if j not in (i, k) else 0.0

    d, e = distances(ours), distances(theirs)
    distance = sum(huber(d[pair], e[pair]) for pair in d) / 16
    triplets = [(i, j, k) for i in range(4) for j in range(4) for k in range(4)]
    angle = sum(huber(cosine(ours, *t), cosine(theirs, *t)) for t in triplets) / 64
    loss = relational_loss(student.requires_grad_(), teacher)
    assert float(loss.detach()) == pytest.approx(25 * distance + 50 * angle)
    loss.backward()
    assert teacher.grad is None and bool(student.grad.isfinite().all())  # type: ignore[union-attr]


def test_pcgrad_by_hand() -> None:
    # (1, 0) loses its part along (-1, 1): (1, 0) + 1/2 (-1, 1). (-1, 1) loses its along (1, 0): (0, 1).
    assert torch.equal(pcgrad(torch.tensor([[1.0, 0.0], [-1.0, 1.0]])), torch.tensor([0.5, 1.5]))
    # Nothing opposes: the sum.
    assert torch.equal(pcgrad(torch.tensor([[1.0, 0.0], [1.0, 1.0]])), torch.tensor([2.0, 1.0]))


def test_pcgrad_projects_sequentially_onto_the_original_gradients() -> None:
    first, second, third = torch.tensor([[2.0, 0.0], [-1.0, 1.0], [-1.0, -1.0]])
    # (2, 0) + 2/2 (-1, 1) = (1, 1), which opposes (-1, -1): (1, 1) + 2/2 (-1, -1) = 0.
    # (-1, 1) + 2/4 (2, 0) = (0, 1); (0, 1) + 1/2 (-1, -1) = (-1/2, 1/2).
    # (-1, -1) + 2/4 (2, 0) = (0, -1); (0, -1) + 1/2 (-1, 1) = (-1/2, -1/2).
    assert torch.allclose(pcgrad(torch.stack([first, second, third])), torch.tensor([-1.0, 0.0]))


numbers = st.floats(-10, 10, width=32)


@given(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=2, max_size=2))
def test_pcgrad_of_two_gradients_opposes_neither(rows: list[list[float]]) -> None:
    gradients = torch.tensor(rows, dtype=torch.float64)
    step = pcgrad(gradients)
    assert float((gradients @ step).min()) >= -1e-9 * float(gradients.square().sum())


def test_the_registry_passes_the_right_outputs() -> None:
    zs, zt = (random(3, 2, seed=seed) for seed in (1, 2))
    fs, ft, adapted = (random(3, 2, 2, 2, seed=seed) for seed in (3, 4, 5))
    outputs = Outputs(zs, fs, adapted, zt, ft)
    assert float(LOSSES["soft_logits"](outputs)) == pytest.approx(float(soft_target_loss(zs, zt)))
    assert float(LOSSES["relations"](outputs)) == pytest.approx(float(relational_loss(fs, ft)))
    assert COMBINERS["pcgrad"] is pcgrad
