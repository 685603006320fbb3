"""Networks by name.

To add a network, put one file into this folder: a module with the interface of
:class:`train.networks.network.Network` and ``NETWORKS = {"my_network": Network(make, width=32)}``. Every command then
accepts the name. Code outside this folder registers a network with
``registry.NETWORKS["my_network"] = Network(make, width=32)``.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from torch import nn

from edge.contract.errors import ConfigError
from edge.contract.layouts import JointLayout
from train import networks
from train.networks.network import Network


def declared_in(package: ModuleType) -> dict[str, Network]:
    """Merge the ``NETWORKS`` of all modules of a package."""
    declared: dict[str, Network] = {}
    for _, name, _ in iter_modules(package.__path__):
        if (file := f"{package.__name__}.{name}") != __name__:
            declared |= getattr(import_module(file), "NETWORKS", {})
    return declared


NETWORKS = declared_in(networks)


def default_width(name: str) -> int:
    """Default number of channels of the network's first units."""
    return _named(name).width


def build(name: str, *, classes: int, layout: JointLayout, bodies: int, width: int | None = None) -> nn.Module:
    """Build a network: clip (N, 3, T, V, M) -> (logits (N, K), last feature map (N*M, D, T/4, V)).

    width: channels of the first units; None for the network's default. Raises ConfigError for an unknown name.
    """
    network = _named(name)
    return network.make(classes, layout, bodies, network.width if width is None else width)


def _named(name: str) -> Network:
    if name not in NETWORKS:
        raise ConfigError(f"unknown network {name!r}", hint=f"known networks: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]
