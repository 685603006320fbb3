"""Gradient revision: imitation never undoes the task (Bian et al., IEEE TIP 2021).

The gradients of several losses are the rows of one matrix (L, P). The first is the task's, of the
cross entropy; the others are what imitation asks for.
"""

from __future__ import annotations

import torch
from torch import Tensor


def summed(gradients: Tensor) -> Tensor:
    """Every row as it is: (L, P) -> (P,)."""
    return gradients.sum(dim=0)


def revised(gradients: Tensor) -> Tensor:
    """Gradient revision: g_ce + sum_i g_i' (P,) of rows g_ce, g_1, g_2, ... (L, P).

    A g_i that points against g_ce loses its component along g_ce,
    g_i' = g_i - (<g_i, g_ce> / <g_ce, g_ce>) g_ce where <g_i, g_ce> < 0; others are taken as they are.
    """
    task, imitation = gradients[0], gradients[1:]
    power = torch.dot(task, task).clamp(min=torch.finfo(task.dtype).tiny)
    opposed = (imitation @ task).clamp(max=0).sum() / power
    return imitation.sum(dim=0) + (1 - opposed) * task
