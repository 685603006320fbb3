"""Gradient revision: imitation never works against the task."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from train.distillation import gradient_revision
from train.step import COMBINERS

numbers = st.floats(-100, 100, width=32)


@st.composite
def gradients(draw: st.DrawFn) -> tuple[Tensor, list[Tensor]]:
    """A task gradient and one to three imitation gradients, of one to eight parameters."""
    size, count = draw(st.integers(1, 8)), draw(st.integers(1, 3))
    vectors = [draw(st.lists(numbers, min_size=size, max_size=size)) for _ in range(count + 1)]
    task, *imitation = (torch.tensor(vector, dtype=torch.float64) for vector in vectors)
    return task, imitation


def revised(task: Tensor, imitation: list[Tensor]) -> Tensor:
    """The function takes its gradients as the rows of a matrix."""
    return gradient_revision.revise_gradients(torch.stack([task, *imitation]))


def revised_alone(task: Tensor, gradient: Tensor) -> Tensor:
    return revised(task, [gradient]) - task


def rounding(task: Tensor, gradient: Tensor) -> float:
    """Bound on the float64 rounding error of an inner product of the two."""
    return 1e-13 * float(task.norm() * (gradient.norm() + task.norm())) + 1e-30


@given(gradients())
def test_opposing_gradients_become_orthogonal_to_the_task_and_others_are_kept(
    drawn: tuple[Tensor, list[Tensor]],
) -> None:
    task, imitation = drawn
    for gradient in imitation:
        out = revised_alone(task, gradient)
        if float(gradient @ task) >= 0:
            assert torch.allclose(out, gradient, rtol=1e-12, atol=1e-12)
        elif float(task.norm()) > 1e-6:
            assert abs(float(out @ task)) <= rounding(task, gradient)
            # Only the component along the task is removed.
            removed = gradient - out
            assert torch.allclose(removed * (task @ task), (removed @ task) * task, rtol=1e-9, atol=1e-6)


@given(gradients())
def test_the_step_is_the_task_plus_each_gradient_revised_on_its_own(drawn: tuple[Tensor, list[Tensor]]) -> None:
    task, imitation = drawn
    expected = task + sum((revised_alone(task, gradient) for gradient in imitation), torch.zeros_like(task))
    assert torch.allclose(revised(task, imitation), expected, rtol=1e-9, atol=1e-9)


def test_by_hand_in_the_plane() -> None:
    task = torch.tensor([2.0, 0.0])
    against, along, across = torch.tensor([-3.0, 1.0]), torch.tensor([4.0, 5.0]), torch.tensor([0.0, -7.0])
    # <(-3, 1), (2, 0)> = -6, over 4: (-3, 1) + 1.5 (2, 0) = (0, 1). The others are kept.
    assert torch.equal(revised(task, [against]), torch.tensor([2.0, 1.0]))
    assert torch.equal(revised(task, [against, along, across]), torch.tensor([2 + 4.0, 1 + 5 - 7.0]))


def test_with_a_zero_task_gradient_imitation_is_kept() -> None:
    gradient = torch.tensor([1.0, -2.0])
    assert torch.equal(revised(torch.zeros(2), [gradient]), gradient)


def test_without_imitation_the_step_is_the_tasks() -> None:
    task = torch.tensor([1.0, -2.0])
    out = revised(task, [])
    assert torch.equal(out, task)


def test_the_input_is_not_modified() -> None:
    rows = torch.tensor([[1.0, -2.0], [-1.0, 0.0], [3.0, 1.0]])
    before = rows.clone()
    gradient_revision.revise_gradients(rows).add_(1)
    COMBINERS["sum"](rows).add_(1)
    assert torch.equal(rows, before)


def test_without_revision_the_gradients_are_summed() -> None:
    rows = torch.tensor([[1.0, -2.0], [-1.0, 0.0], [3.0, 1.0]])
    assert torch.equal(COMBINERS["sum"](rows), torch.tensor([3.0, -1.0]))
