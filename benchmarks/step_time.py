"""Time of one training step with gradient revision, for four ways to compute the same gradient.

    python -m benchmarks.step_time [NETWORK [WIDTH [BATCH]]]

plain: a forward and a backward pass per loss. shared: one forward pass, a backward pass per loss (as train/step.py).
cotangents: one forward pass, one batched backward pass for all losses. slope: one forward pass, two backward passes and
one forward-mode derivative, whose products with the losses' own gradients are the inner products that revision needs.
"""

from __future__ import annotations

import platform
import time
import warnings

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

from benchmarks import command_line
from edge.contract.layouts import layout
from train.distillation.gradient_revision import revise_gradients
from train.distillation.losses import Outputs
from train.distillation.methods import PAPER
from train.networks.registry import build, default_width
from train.step import LOSSES, gradient_rows

CLASSES, LAYOUT, FRAMES, ROUNDS = 15, "penn-13", 32, 15
TEACHER_CHANNELS = 128


class Step:
    """A student, and a teacher's outputs, for random clips."""

    def __init__(self, network: str, width: int, batch: int) -> None:
        torch.manual_seed(0)
        joints = layout(LAYOUT)
        self.student = build(network, classes=CLASSES, layout=joints, bodies=1, width=width)
        for module in self.student.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # otherwise the passes differ at random
        self.own = list(self.student.parameters())
        self.adapter = nn.Conv2d(self.student.features, TEACHER_CHANNELS, 1)  # type: ignore[arg-type]
        self.clips = torch.randn(batch, 3, FRAMES, len(joints), 1)
        self.labels = torch.randint(CLASSES, (batch,))
        self.teacher = torch.randn(batch, CLASSES), torch.randn(batch, TEACHER_CHANNELS, FRAMES // 4, len(joints))

    def losses(self, logits: Tensor, features: Tensor) -> list[Tensor]:
        outputs = Outputs(logits, features, self.adapter(features), *self.teacher)
        return [F.cross_entropy(logits, self.labels), *(w * LOSSES[name](outputs) for name, w in PAPER.items())]

    def plain(self) -> Tensor:
        count = 1 + len(PAPER)
        rows = [gradient_rows([self.losses(*self.student(self.clips))[n]], self.own) for n in range(count)]
        return revise_gradients(torch.cat(rows))

    def shared(self) -> Tensor:
        return revise_gradients(gradient_rows(self.losses(*self.student(self.clips)), self.own))

    def cotangents(self) -> Tensor:
        outputs = self.student(self.clips)
        parts = torch.autograd.grad(outputs, self.own, self._upstream(*outputs), is_grads_batched=True)
        return revise_gradients(torch.cat([part.flatten(1) for part in parts], dim=1))

    def slope(self) -> Tensor:
        outputs = self.student(self.clips)
        upstream = self._upstream(*outputs)
        task = torch.autograd.grad(outputs, self.own, [u[0] for u in upstream], retain_graph=True)
        names = [name for name, _ in self.student.named_parameters()]
        buffers = {name: value.clone() for name, value in self.student.named_buffers()}
        with torch.no_grad(), forward_ad.dual_level():
            weights = {n: forward_ad.make_dual(p.detach(), d) for n, p, d in zip(names, self.own, task, strict=True)}
            duals = torch.func.functional_call(self.student, {**weights, **buffers}, (self.clips,))
            slopes = [forward_ad.unpack_dual(dual).tangent for dual in duals]
        inner = sum(((u * s).flatten(1).sum(1) for u, s in zip(upstream, slopes, strict=True)), torch.zeros(()))
        opposed = inner[1:].clamp(max=0).sum() / inner[0]
        imitation = torch.autograd.grad(outputs, self.own, [u[1:].sum(0) for u in upstream])
        return _flat(imitation) + (1 - opposed) * _flat(task)

    def _upstream(self, logits: Tensor, features: Tensor) -> list[Tensor]:
        """Gradients of every loss at the network's two outputs: (L, N, K) and (L, N, C, T', V)."""
        ends = [logits.detach().requires_grad_(), features.detach().requires_grad_()]
        rows = [torch.autograd.grad(x, ends, retain_graph=True, materialize_grads=True) for x in self.losses(*ends)]
        return [torch.stack([row[i] for row in rows]) for i in range(2)]


def _flat(parts: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def main() -> None:
    parser = command_line.parser("benchmarks.step_time", __doc__)
    parser.add_argument("network", nargs="?", metavar="NETWORK", help="default: those of the page")
    parser.add_argument("width", nargs="?", type=int, metavar="WIDTH", help="default: the network's")
    parser.add_argument("batch", nargs="?", type=int, metavar="BATCH", default=32, help="default: %(default)s")
    given = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)
    torch.set_num_threads(1)
    settings = [(given.network, given.width)] if given.network else [("dense_gcn", 48), ("shift_gcn_student", 16)]
    for network, width in settings:
        width = default_width(network) if width is None else width
        step = Step(network, width, given.batch)
        ways = {"plain": step.plain, "shared": step.shared, "cotangents": step.cotangents, "slope": step.slope}
        reference = step.plain()
        times: dict[str, list[float]] = {name: [] for name in ways}
        off = {n: float((way() - reference).abs().max() / reference.abs().max()) for n, way in ways.items()}
        for _ in range(ROUNDS):  # interleaved, so that other load on the machine affects all of them
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                times[name].append(1e3 * (time.perf_counter() - started))
        title = f"{network} {width}, batch {given.batch}, 1 thread, PyTorch {torch.__version__}, {platform.machine()}"
        table = Table("way", "p50 ms", "p90 ms", "of plain", "largest difference", title=title)
        for name, values in times.items():
            ratio = np.median(values) / np.median(times["plain"])
            p50, p90 = np.percentile(values, [50, 90])
            table.add_row(name, f"{p50:.1f}", f"{p90:.1f}", f"{ratio:.2f}", f"{off[name]:.1e}")
        Console().print(table)


if __name__ == "__main__":
    command_line.run(main)
