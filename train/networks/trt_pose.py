"""trt_pose's pose networks, to convert its published weights to ONNX without its toolchain.

A ResNet-18 or DenseNet-121 down to 1/32 of the image, then two heads, for heatmaps and for part affinity fields (Cao et
al., CVPR 2017, sections 2.2 and 2.3). Each head has three transposed convolutions and an attention map. Parameters have
the names of ``resnet18_baseline_att`` and ``densenet121_baseline_att`` of NVIDIA-AI-IOT/trt_pose (MIT), whose weights
load unchanged.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from train.networks import densenet, resnet
from train.torch_file import load_published_weights, read_published_weights

JOINTS, LINKS = 18, 21
UPSAMPLED = 256
STRIDE_PIXELS = 32

# ImageNet's mean and standard deviation of RGB in 0..1, with which the networks were trained.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

BackboneName = Literal["resnet18", "densenet121"]


@dataclass(frozen=True)
class Backbone:
    """A feature extractor, and how trt_pose trained it.

    attribute: its name in the state dict. features: output channels. size: width and height of the image in pixels.
    classifier: prefix of the unused ImageNet classifier in the published files. first: name of the first convolution.
    published: name of the published file.
    """

    make: Callable[[], nn.Module]
    attribute: str
    features: int
    size: int
    classifier: str
    first: str
    published: str


BACKBONES: dict[BackboneName, Backbone] = {
    "resnet18": Backbone(
        resnet.ResNet18, "resnet", resnet.FEATURES, 224, "0.resnet.fc.", "0.resnet.conv1",
        "resnet18_baseline_att_224x224_A_epoch_249.pth",
    ),
    "densenet121": Backbone(
        densenet.DenseNet121, "densenet", densenet.FEATURES, 256, "0.densenet.classifier.",
        "0.densenet.features.conv0", "densenet121_baseline_att_256x256_B_epoch_160.pth",
    ),
}  # fmt: skip


class Heads(nn.Module):
    """(N, features, h, w) -> heatmaps (N, 18, 8h, 8w) and part affinity fields (N, 42, 8h, 8w)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.cmap_up = _upsampling(features)
        self.paf_up = _upsampling(features)
        self.cmap_att = nn.Conv2d(UPSAMPLED, UPSAMPLED, 3, 1, 1)
        self.paf_att = nn.Conv2d(UPSAMPLED, UPSAMPLED, 3, 1, 1)
        self.cmap_conv = nn.Conv2d(UPSAMPLED, JOINTS, 1)
        self.paf_conv = nn.Conv2d(UPSAMPLED, 2 * LINKS, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cmap, paf = self.cmap_up(x), self.paf_up(x)
        cmap = cmap * self.cmap_att(cmap).sigmoid()
        paf = paf * self.paf_att(paf).tanh()
        return self.cmap_conv(cmap), self.paf_conv(paf)


def _upsampling(features: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for in_channels in (features, UPSAMPLED, UPSAMPLED):
        layers += [nn.ConvTranspose2d(in_channels, UPSAMPLED, 4, 2, 1), nn.BatchNorm2d(UPSAMPLED), nn.ReLU()]
    return nn.Sequential(*layers)


def trt_pose_network(backbone: BackboneName = "resnet18", weights: Path | None = None) -> nn.Sequential:
    """Build the network: normalised RGB (N, 3, H, W) -> heatmaps (N, 18, H/4, W/4) and PAFs (N, 42, H/4, W/4).

    weights: trt_pose's published file; None for untrained. Raises DataError for a file with other weights or none.
    """
    about = BACKBONES[backbone]
    named = nn.Sequential(OrderedDict({about.attribute: about.make()}))
    network = nn.Sequential(named, Heads(about.features))
    if weights is not None:
        hint = f"give trt_pose's {about.published}"
        load_published_weights(network, read_published_weights(weights, about.classifier, hint), weights, hint)
    return network
