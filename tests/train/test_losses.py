"""The paper's losses against hand calculations and the same formulas written sample by sample."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from train.distillation.losses import Outputs, edge_loss, logit_loss, normalised_distances, vertex_loss
from train.distillation.methods import METHODS
from train.step import LOSSES


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def naive_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    total = torch.zeros((), dtype=student.dtype)
    for zs, zt in zip(student, teacher, strict=True):
        p, q = zt.exp() / zt.exp().sum(), zs.exp() / zs.exp().sum()
        total = total + (p * (p / q).log()).sum()
    return total / len(student)


def naive_vertices(student: Tensor, teacher: Tensor) -> Tensor:
    return torch.stack([(a - b) ** 2 for a, b in zip(student.flatten(), teacher.flatten(), strict=True)]).mean()


def naive_distances(sample: Tensor) -> Tensor:
    """(C, T', V) -> (T'V, T'V), each distance computed separately; a constant 0 for equal nodes."""
    nodes = [sample[:, t, v] for t in range(sample.shape[1]) for v in range(sample.shape[2])]
    zero = torch.zeros((), dtype=sample.dtype)
    rows = [[zero if torch.equal(a, b) else ((a - b) ** 2).sum().sqrt() for b in nodes] for a in nodes]
    distances = torch.stack([torch.stack(row) for row in rows])
    return distances / distances[distances > 0].mean()


def naive_edges(student: Tensor, teacher: Tensor) -> Tensor:
    means = []
    for s, t in zip(student, teacher, strict=True):
        off = (naive_distances(s) - naive_distances(t)).abs()
        means.append(torch.where(off < 1, off**2 / 2, off - 0.5).mean())
    return torch.stack(means).mean()


def test_logit_loss_by_hand() -> None:
    # Teacher (3/4, 1/4) and student (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2); the second sample agrees: 0.
    teacher = torch.tensor([[math.log(3), 0.0], [1.0, 2.0]])
    student = torch.tensor([[5.0, 5.0], [11.0, 12.0]])
    expected = (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2
    assert float(logit_loss(student, teacher)) == pytest.approx(expected, abs=1e-6)


def test_vertex_loss_by_hand() -> None:
    student = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 2, 2)
    teacher = torch.tensor([1.0, 0.0, 0.0, 4.0]).reshape(1, 1, 2, 2)
    assert float(vertex_loss(student, teacher)) == pytest.approx((0 + 4 + 9 + 0) / 4)


def test_normalised_distances_by_hand() -> None:
    # Nodes (0, 0), (3, 4), (0, 0) in two channels: distances 5, 0, 5; mean of the four positive entries 5.
    features = torch.tensor([[0.0, 3.0, 0.0], [0.0, 4.0, 0.0]]).reshape(1, 2, 1, 3)
    expected = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    assert torch.allclose(normalised_distances(features)[0], expected, atol=1e-6)


def test_edge_loss_by_hand() -> None:
    # One channel. Student 0, 1, 3: distances 1, 3, 2, mean 2. Teacher 0, 1, 11: 1, 11, 10, mean 22/3.
    student = torch.tensor([0.0, 1.0, 3.0]).reshape(1, 1, 1, 3)
    teacher = torch.tensor([0.0, 1.0, 11.0]).reshape(1, 1, 1, 3)
    off = [abs(1 / 2 - 3 / 22), abs(3 / 2 - 33 / 22), abs(2 / 2 - 30 / 22)]
    # All below 1: half the square; each pair stands twice in the nine entries, the diagonal is 0.
    expected = sum(2 * value**2 / 2 for value in off) / 9
    assert float(edge_loss(student, teacher)) == pytest.approx(expected, rel=1e-5)


def test_nodes_are_the_joints_of_every_frame_of_one_sample() -> None:
    features = random(2, 4, 3, 5)
    distances = normalised_distances(features)
    assert distances.shape == (2, 15, 15)
    for sample, expected in zip(distances, features, strict=True):
        assert torch.allclose(sample, naive_distances(expected), atol=1e-9)


@pytest.mark.parametrize(
    ("loss", "naive", "shape"),
    [
        (logit_loss, naive_divergence, (3, 4)),
        (vertex_loss, naive_vertices, (2, 3, 2, 3)),
        (edge_loss, naive_edges, (2, 3, 2, 3)),
    ],
)
def test_value_and_gradient_equal_the_formula_written_per_sample(
    loss: Callable[[Tensor, Tensor], Tensor], naive: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, ...]
) -> None:
    student, teacher = random(*shape, seed=1).requires_grad_(), random(*shape, seed=2)
    ours, theirs = loss(student, teacher), naive(student, teacher)
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-9)
    (gradient,), (expected,) = torch.autograd.grad(ours, student), torch.autograd.grad(theirs, student)
    assert torch.allclose(gradient, expected, rtol=1e-6, atol=1e-10)
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), student)


def test_the_edge_loss_gives_the_teacher_no_gradient() -> None:
    teacher = random(1, 2, 2, 2, seed=3).requires_grad_()
    edge_loss(random(1, 2, 2, 2).requires_grad_(), teacher).backward()
    assert teacher.grad is None


@pytest.mark.parametrize(("scale", "shift"), [(0.1, 0.0), (1.0, 0.0), (1.0, 5.0), (10.0, 0.0)])
def test_in_single_precision_the_edge_loss_and_its_gradient_equal_separately_computed_distances(
    scale: float, shift: float
) -> None:
    # |a|^2 + |a|^2 - 2 a.a leaves rounding noise of about eps |a|^2, which must not count as a distance.
    random = torch.Generator().manual_seed(0)
    teacher = F.relu(shift + scale * torch.randn(2, 64, 2, 13, generator=random))
    student = (teacher + 0.3 * scale * torch.randn(teacher.shape, generator=random)).requires_grad_()
    student.data[0, :, 1, 2] = student.data[0, :, 0, 0]  # one pair in one place
    distances = normalised_distances(student).detach()
    assert float(distances.diagonal(dim1=1, dim2=2).max()) == 0 and float(distances[0, 0, 15]) == 0
    exact = student.detach().double().requires_grad_()
    loss, expected = edge_loss(student, teacher), naive_edges(exact, teacher.double())
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    (gradient,), (wanted,) = torch.autograd.grad(loss, student), torch.autograd.grad(expected, exact)
    assert float((gradient - wanted).norm() / wanted.norm()) < 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_nodes_give_finite_gradients(dtype: torch.dtype) -> None:
    features = random(2, 3, 2, 3, seed=4).to(dtype)
    features[0, :, 1, 2] = features[0, :, 0, 0]  # one pair in one place
    features[1] = 0.5  # all of them
    features.requires_grad_()
    loss = edge_loss(features, random(2, 3, 2, 3, seed=5).to(dtype))
    (gradient,) = torch.autograd.grad(loss, features)
    assert math.isfinite(float(loss.detach())) and bool(gradient.isfinite().all())


COMPARISON = Path(__file__).parents[2] / "benchmarks" / "distillation.md"
WORDS = {
    "softened logits": "soft_logits",
    "KL": "logits",
    "vertices": "vertices",
    "edges": "edges",
    "angles": "relations",
}


def test_methods_are_what_the_page_that_compares_them_says() -> None:
    page = COMPARISON.read_text(encoding="utf-8").split("## Methods compared")[1].split("##")[0]
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    papers = next(losses for name, losses, *_ in rows if name == "paper")
    assert [name for name, *_ in rows[2:]] == list(METHODS)
    for name, losses, combined, skeletons in rows[2:]:
        found, losses = METHODS[name], papers if losses == "the paper's" else losses
        # The weights are 1 except that of the vertices. Those of relational distillation's two parts are in its loss.
        weights = {loss: 10.0 if loss == "vertices" else 1.0 for word, loss in WORDS.items() if word in losses}
        assert dict(found.losses) == weights, name
        combine = {"": "sum", "sum": "sum", "gradient revision": "revision"}.get(combined, "pcgrad")
        assert (found.combine, found.redraw) == (combine, "redrawn" in skeletons or None), name


def test_the_registry_passes_the_right_outputs() -> None:
    zs, zt, fs, ft = random(2, 3), random(2, 3, seed=1), random(2, 2, 2, 2), random(2, 2, 2, 2, seed=1)
    unadapted = random(2, 5, 2, 2, seed=2)
    outputs = Outputs(zs, unadapted, fs, zt, ft)
    values = {name: float(LOSSES[name](outputs)) for name in ("logits", "vertices", "edges")}
    assert values == pytest.approx(
        {
            "logits": float(naive_divergence(zs, zt)),
            "vertices": float(naive_vertices(fs, ft)),
            "edges": float(naive_edges(fs, ft)),
        }
    )
