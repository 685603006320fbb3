"""Batch normalisation over processes: in a single one it is PyTorch's."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as distributed
from torch import nn

from train.sync_batch_norm import SyncBatchNorm, convert_sync_batch_norm


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(("shape", "dtype"), [
    ((6, 4), torch.float32), ((6, 4, 5), torch.float32), ((6, 4, 5, 3), torch.float32), ((6, 4, 5, 3), torch.bfloat16),
])  # fmt: skip
def test_outputs_gradients_and_statistics_are_those_of_batch_norm(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    theirs = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(4, eps=0.1, momentum=0.3)
    nn.init.normal_(theirs.weight)
    nn.init.normal_(theirs.bias)
    network = nn.Sequential(nn.Sequential(copy.deepcopy(theirs)))
    convert_sync_batch_norm(network)
    ours = network[0][0]  # type: ignore[index]
    assert isinstance(ours, SyncBatchNorm) and ours.state_dict().keys() == theirs.state_dict().keys()
    for _ in range(2):
        x, direction = (3 + 2 * torch.randn(shape)).to(dtype).requires_grad_(), torch.randn(shape)
        outputs = ours(x), theirs(x.float())
        assert outputs[0].dtype == dtype
        torch.testing.assert_close(outputs[0], outputs[1].to(dtype))
        found, expected = (
            torch.autograd.grad((out * direction).sum(), [x, *norm.parameters()])
            for out, norm in zip(outputs, (ours, theirs), strict=True)
        )
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4 if dtype != torch.bfloat16 else 0.05, atol=1e-4)
    for one, other in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(ours.eval()(x.float()), theirs.eval()(x.float()))
