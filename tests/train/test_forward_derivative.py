"""Jacobian-vector products, which training may ask of a network, pass through every network while it trains."""

import copy

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from edge.contract.layouts import layout
from train.networks.registry import NETWORKS, build

# PyTorch's own forward derivatives are, at their first use, scripted.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bodies", [1, 2])
def test_forward_derivatives_are_those_of_finite_differences(name: str, bodies: int) -> None:
    """Along a random direction of all parameters, in training mode: batch statistics are differentiated, too."""
    torch.set_num_threads(1)
    torch.manual_seed(2)
    network = build(name, classes=3, layout=layout("penn-13"), bodies=bodies, width=4).double().train()
    clip = torch.randn(4, 3, 8, 13, bodies, dtype=torch.float64)
    weights = {key: p.detach() for key, p in network.named_parameters()}
    direction = {key: torch.randn_like(p) for key, p in weights.items()}

    def outputs(parameters: dict[str, Tensor]) -> Tensor:
        torch.manual_seed(3)  # the same dropout
        logits, features = torch.func.functional_call(copy.deepcopy(network), parameters, (clip,))
        return torch.cat([logits.flatten(), features.flatten()])

    with forward_ad.dual_level():
        duals = {key: forward_ad.make_dual(p, direction[key]) for key, p in weights.items()}
        given = forward_ad.unpack_dual(outputs(duals)).tangent
    assert given is not None
    step = 1e-9  # short enough that no ReLU flips on the way
    ahead, behind = (outputs({k: p + s * step * direction[k] for k, p in weights.items()}) for s in (1, -1))
    expected = ((ahead - behind) / (2 * step)).detach()
    assert float(expected.norm()) > 1
    assert float((given - expected).norm() / expected.norm()) < 1e-5
