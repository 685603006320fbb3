"""Gradient revision: imitating the teacher never works against the task.

Source: C. Bian, W. Feng, L. Wan, S. Wang, "Structural Knowledge Distillation for Efficient Skeleton-Based Action
Recognition", IEEE Trans. Image Processing 30 (2021) 2963-2976.

The gradients of L losses are the rows of a matrix (L, P), each over all P student parameters as one vector. Row 0 is
g_ce, of the cross entropy; the others are g_i, of the weighted distillation losses. train/step.py averages the rows
over batches and processes first, so that inner products are those of the whole batch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def revise_gradients(gradients: Tensor) -> Tensor:
    """The step's gradient g_ce + sum_i g_i', (L, P) -> (P,)::

        g_i' = g_i - (<g_i, g_ce> / <g_ce, g_ce>) g_ce    if <g_i, g_ce> < 0
        g_i' = g_i                                        otherwise

    As in the paper. The code subtracts the sum of the projections, which gives the same. The clamp avoids 0 / 0 where
    g_ce is 0.
    """
    task, imitation = gradients[0], gradients[1:]
    power = torch.dot(task, task).clamp(min=torch.finfo(task.dtype).tiny)
    opposed = (imitation @ task).clamp(max=0).sum() / power
    return imitation.sum(dim=0) + (1 - opposed) * task
