"""Gradient revision: imitation never undoes the task (Bian et al., IEEE TIP 2021)."""

from __future__ import annotations

import torch
from torch import Tensor


def revised(task: Tensor, imitation: list[Tensor]) -> Tensor:
    """The step direction g_ce + sum_i g_i from gradients as flat vectors (P,).

    A g_i that points against g_ce loses its component along g_ce:
    g_i - (<g_i, g_ce> / <g_ce, g_ce>) g_ce where <g_i, g_ce> < 0; others are taken as they are.
    """
    power = torch.dot(task, task).clamp(min=torch.finfo(task.dtype).tiny)
    total = task.clone()
    for gradient in imitation:
        agreement = torch.dot(gradient, task)
        total += gradient - (agreement.clamp(max=0) / power) * task
    return total
