"""``python -m train pose``: a pose network as ONNX that takes the camera's own bytes and gives peaks.

What would cost a device a pass over every pixel or cell is in the graph: layout, colour order and normalisation
before the network, the search for local maxima of the heatmaps behind it.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.cli.console import console
from edge.contract.errors import ConfigError
from edge.engines.registry import open_engine
from edge.pose.heatmap_peaks import NEARLY, REACH
from train.export.configuration import PoseExportConfig
from train.export.onnx_file import refuse_difference, write_network
from train.networks.trt_pose import BACKBONES, DEVIATION, MEAN, STRIDE_PIXELS, BackboneName, trt_pose_network

INPUT, OUTPUTS = "image", ("cmap", "paf", "peaks")


def export_pose(config: PoseExportConfig) -> None:
    """Write the network and say what it is."""
    export_trt_pose(config.weights, config.out, config.size, config.backbone)
    kind = "untrained" if config.weights is None else config.weights.name
    console.print(f"{config.out}: {config.backbone}, {kind}; quantise it with `python -m calibrate pose`")


def export_trt_pose(weights: Path | None, out: Path, size: int = 0, backbone: BackboneName = "resnet18") -> None:
    """Write the network as ONNX for pictures of ``size`` by ``size``; 0 is the size it was trained with.

    Input "image" (1, size, size, 3) uint8 BGR, as OpenCV has pictures. Outputs at a quarter of the size: "cmap"
    (1, 18, h, w) heatmaps, "paf" (1, 42, h, w) fields, "peaks" (1, 18, h, w): the heatmap's value where none
    within two cells is clearly greater, 0 elsewhere. weights: trt_pose's .pth; None leaves the network untrained.

    Raises ConfigError for a size that is no multiple of 32, EngineError for other weights, DataError where ONNX
    Runtime gives what differs from PyTorch by more than 1e-4.
    """
    about = BACKBONES[backbone]
    size = size or about.size
    if size % STRIDE_PIXELS or size < STRIDE_PIXELS:
        raise ConfigError(f"picture size {size} is not a multiple of {STRIDE_PIXELS}")
    network = trt_pose_network(backbone, weights).eval()
    from_pixels = _FromPixels(network, about.first).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)

    def check(partial: Path) -> None:
        _check(partial, network, pixels, out)

    write_network(from_pixels, (torch.from_numpy(pixels),), out, inputs=[INPUT], outputs=list(OUTPUTS), check=check)


class _FromPixels(nn.Module):
    """Pixels (1, H, W, 3) uint8 BGR -> heatmaps, PAFs, heatmaps that are 0 but where they may have peaks."""

    def __init__(self, network: nn.Sequential, first: str) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        convolution = self.network.get_submodule(first)
        assert isinstance(convolution, nn.Conv2d)
        # Blue first is nothing but another order of the first convolution's input channels, which costs nothing.
        convolution.weight = nn.Parameter(convolution.weight.detach().flip(1))
        mean, deviation = torch.tensor(MEAN[::-1]), torch.tensor(DEVIATION[::-1])
        self.register_buffer("scale", (1 / (255 * deviation)).view(1, 3, 1, 1))
        self.register_buffer("shift", (mean / deviation).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # TensorRT transposes no uint8: floating point first.
        normalised = image.float().permute(0, 3, 1, 2) * self.get_buffer("scale") - self.get_buffer("shift")
        cmap, paf = self.network(normalised)
        largest = F.max_pool2d(cmap, 2 * REACH + 1, 1, REACH)
        # Values, not a mask: a float output is one that every TensorRT can give.
        return cmap, paf, torch.where(cmap < NEARLY * largest, 0.0, cmap)


def _check(exported: Path, network: nn.Module, pixels: np.ndarray, out: Path) -> None:
    """DataError unless the file gives for BGR bytes what the untouched network gives for the picture in RGB."""
    engine = open_engine(exported)
    given = engine.run({INPUT: pixels})
    engine.close()
    picture = torch.from_numpy(pixels[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 255
    picture = (picture - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    with torch.inference_mode():
        wanted = network(picture)
    for name, tensor in zip(OUTPUTS, wanted, strict=False):
        refuse_difference(given[name], tensor, f"network's {name}", out)
