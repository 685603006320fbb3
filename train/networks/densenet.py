"""DenseNet-121 without its classifier.

Source: Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, section 3 and table 1. Parameters have the
names of torchvision's ``densenet121``, so that published weights load unchanged.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

BLOCKS = (6, 12, 24, 16)
GROWTH, FIRST, BOTTLENECK = 32, 64, 4
FEATURES = 1024


class DenseLayer(nn.Module):
    """(N, C, H, W) -> (N, C + 32, H, W): 32 new channels are concatenated to the input."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, BOTTLENECK * GROWTH, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK * GROWTH)
        self.conv2 = nn.Conv2d(BOTTLENECK * GROWTH, GROWTH, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.norm1(x).relu())
        return torch.cat([x, self.conv2(self.norm2(y).relu())], dim=1)


class Transition(nn.Module):
    """1x1 convolution and average pooling: (N, C, H, W) -> (N, C / 2, H / 2, W / 2)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, in_channels // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(self.norm(x).relu()))


class DenseNet121(nn.Module):
    """Image (N, 3, H, W) -> (N, 1024, H/32, W/32), after the last BatchNorm and before its ReLU."""

    def __init__(self) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, FIRST, 7, 2, 3, bias=False),
            norm0=nn.BatchNorm2d(FIRST),
            relu0=nn.ReLU(),
            pool0=nn.MaxPool2d(3, 2, 1),
        )
        width = FIRST
        for number, layers in enumerate(BLOCKS, start=1):
            block: OrderedDict[str, nn.Module] = OrderedDict()
            for layer in range(1, layers + 1):
                block[f"denselayer{layer}"] = DenseLayer(width)
                width += GROWTH
            parts[f"denseblock{number}"] = nn.Sequential(block)
            if number < len(BLOCKS):
                parts[f"transition{number}"] = Transition(width)
                width //= 2
        parts["norm5"] = nn.BatchNorm2d(width)
        self.features = nn.Sequential(parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)
