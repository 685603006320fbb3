"""DenseGCN built from continual-inference's modules, with the same weights: the peer of our streaming step."""

from __future__ import annotations

from copy import deepcopy
from importlib import metadata
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edge.contract.types import Float32
from train.networks.dense_gcn import DenseGcn, Unit
from train.networks.dense_gcn_stream import SHORTCUT_DELAY, stride_of


class ContinualInference:
    """Frame (1, C, 1, V, 1) -> logits (K,), or None between two features and before the first."""

    def __init__(self, library: Any, network: DenseGcn, window: int) -> None:
        self.version = metadata.version("continual-inference")
        self._stem = _fused(network.stem)
        units = [deepcopy(unit) for unit in network.units if isinstance(unit, Unit)]
        self._units = library.Sequential(*(_unit(library, unit) for unit in units)).eval()
        self._pool = library.AvgPool1d(window, stride=1)
        self._fc = network.fc

    @staticmethod
    def of(network: DenseGcn, window: int) -> ContinualInference | None:
        """None if the library is not installed."""
        try:
            import continual
        except ImportError:
            return None
        return ContinualInference(continual, network, window)

    def __call__(self, frame: Float32) -> Float32 | None:
        x = torch.relu(self._stem(torch.from_numpy(np.ascontiguousarray(frame[..., 0]))))
        feature = self._units.forward_step(x[:, :, 0])
        if not isinstance(feature, Tensor):
            return None
        mean = self._pool.forward_step(feature.mean(dim=-1))
        if not isinstance(mean, Tensor):
            return None
        logits: Float32 = self._fc(mean)[0].numpy()
        return logits


def _unit(library: Any, unit: Unit) -> Any:
    """The library's strided layers delay their outputs themselves; a shortcut is delayed by half a kernel."""
    stride = stride_of(unit)
    main = library.Sequential(
        library.Lambda(lambda x, mix=unit.mix: x @ mix),
        library.forward_stepping(_fused(unit.spatial)),
        nn.ReLU(),
        _continual(library, _fused(unit.temporal), stride),
    )
    shortcut: Any = library.Delay(SHORTCUT_DELAY)
    if not isinstance(unit.shortcut, nn.Identity):
        shortcut = library.Sequential(shortcut, _continual(library, _fused(unit.shortcut), stride))
    both = library.BroadcastReduce(shortcut, main, reduce="sum", auto_delay=False)
    return library.Sequential(both, nn.ReLU())


def _fused(layers: nn.Module) -> nn.Conv2d:
    convolution, norm = layers[0], layers[1]  # type: ignore[index]
    fused: nn.Conv2d = fuse_conv_bn_eval(convolution, norm)
    return fused


def _continual(library: Any, convolution: nn.Conv2d, stride: int) -> Any:
    made = library.Conv2d(
        convolution.in_channels, convolution.out_channels, convolution.kernel_size, stride=(stride, 1)
    )
    made.load_state_dict(convolution.state_dict())
    return made
